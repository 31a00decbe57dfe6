/** The operations of Cloud Map that registration uses, each with its time limit and errors in one form. */
import type * as Sdk from '@aws-sdk/client-servicediscovery'
import { fullJitter } from '../../../core/async/jitter.ts'
import { inTime } from '../../../core/async/with-timeout.ts'
import type { Clock, Random } from '../../../core/clock.ts'
import { emit } from '../../../core/events.ts'
import { SdkClient } from '../../../discovery/cloud-map/sdk-client.ts'
import { withRetries } from '../../retries.ts'
import { isRetriable, registrationError } from '../errors.ts'

/** Names of the operations. */
export type OperationName =
  | 'DeregisterInstance'
  | 'GetInstance'
  | 'GetOperation'
  | 'GetService'
  | 'ListInstances'
  | 'ListNamespaces'
  | 'ListServices'
  | 'RegisterInstance'
  | 'UpdateInstanceCustomHealthStatus'
type Command<Name extends OperationName> = InstanceType<(typeof Sdk)[`${Name}Command`]>
/** What an operation takes. */
export type InputOf<Name extends OperationName> = Command<Name>['input']
/** What an operation answers. */
export type OutputOf<Name extends OperationName> = Awaited<
  ReturnType<ReturnType<Command<Name>['resolveMiddleware']>>
>['output']

/** Sends one request, once. */
export interface Transport {
  /** @throws what the SDK throws, or a MissingConfigError */
  send<Name extends OperationName>(
    name: Name,
    input: InputOf<Name>,
    signal: AbortSignal,
  ): Promise<OutputOf<Name>>
  close(): Promise<void>
}

/** By the AWS SDK, which is loaded with the first call. Its own retries are off: ours have events. */
export function sdkTransport(config: Sdk.ServiceDiscoveryClientConfig): Transport {
  const sdkClient = new SdkClient({ ...config, maxAttempts: 1 }, 'the registration')
  return {
    send: (name, input, signal) =>
      sdkClient.call(({ sdk, client }) => {
        const Command = sdk[`${name}Command`] as new (input: object) => SdkCommand
        return client.send(new Command(input), { abortSignal: signal }) as Promise<never>
      }),
    close: () => sdkClient.close(),
  }
}

type SdkCommand = Parameters<Sdk.ServiceDiscoveryClient['send']>[0]

/** Over all of one call: credentials, connection, answer. The first call also loads the SDK. */
const CALL_LIMIT_MS = 5_000
/** Between tries; a deployment starts many tasks at once, so the jitter is full. */
const RETRY_BASE_MS = 200
const MAX_RETRY_MS = 5_000

/** What IAM checks these on; the others on the service's ARN. */
const ON_ALL: ReadonlySet<OperationName> = new Set(['GetOperation', 'ListNamespaces', 'ListServices'])
/** Awaited, once they are sent: only then it is known whether they can be taken back. */
const CHANGES: ReadonlySet<OperationName> = new Set([
  ...(['RegisterInstance', 'DeregisterInstance', 'UpdateInstanceCustomHealthStatus'] as const),
])

/** How requests are sent, and for which instance. */
export interface CallSettings {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  /** Ends waits and reads at once, and lets nothing new begin [none]. */
  readonly signal?: AbortSignal | undefined
  /** On the clock: calls fail then [none]. */
  readonly deadlineAt?: number
  /** InstanceId, for events. */
  readonly id: string
  /** Takes what is tried again [none]. */
  readonly onRetry?: (error: Error) => void
}

/** Requests for one service. Each throws a `RegistrationError`, or the signal's reason. */
export class ServiceCalls {
  /** As the option has it, for messages. */
  readonly service: string
  /** ARN of the service, as far as it is known; else its id or name. */
  resource: string
  readonly settings: CallSettings
  /** Consequences of missing permissions that an event has named. */
  #denied = new Set<string>()

  constructor(service: string, settings: CallSettings) {
    this.service = service
    this.resource = service.startsWith('arn:') ? service : `the service ${service}`
    this.settings = settings
  }

  /** The same requests, for the way out: the signal has aborted. */
  withoutSignal(): ServiceCalls {
    const calls = new ServiceCalls(this.service, { ...this.settings, signal: undefined })
    calls.resource = this.resource
    calls.#denied = this.#denied
    return calls
  }

  /** @param deadlineAt on the clock: it fails then [that of the settings] */
  async call<Name extends OperationName>(
    name: Name,
    input: InputOf<Name>,
    deadlineAt: number = this.settings.deadlineAt ?? Number.POSITIVE_INFINITY,
  ): Promise<OutputOf<Name>> {
    const { clock, transport } = this.settings
    const signal = CHANGES.has(name) ? undefined : this.settings.signal
    const limitMs = Math.max(0, Math.min(CALL_LIMIT_MS, deadlineAt - clock.now()))
    const late = (): Error => new Error(`no answer in ${Math.round(limitMs)} ms`)
    try {
      if (limitMs === 0) throw new Error('no time is left to ask')
      return await inTime({ clock, limitMs, signal, late }, (own) => transport.send(name, input, own))
    } catch (error) {
      signal?.throwIfAborted()
      throw registrationError(this.service, name, ON_ALL.has(name) ? '*' : this.resource, error)
    }
  }

  /** @param deadlineAt on the clock: no try begins after it */
  retried<Result>(
    operation: string,
    deadlineAt: number,
    tryOnce: () => Promise<Result>,
    mayRetry: (error: unknown) => boolean = isRetriable,
  ): Promise<Result> {
    const { clock, random, signal } = this.settings
    const waitMs = (attempt: number): number => fullJitter(attempt, RETRY_BASE_MS, MAX_RETRY_MS, random)
    const onRetry = (error: Error, attempt: number, ms: number): void =>
      this.reportRetry(operation, error, attempt, ms)
    return withRetries({ clock, deadlineAt, signal, mayRetry, waitMs, onRetry }, tryOnce)
  }

  reportRetry(operation: string, error: Error, attempt = 1, waitMs = 0): void {
    const { service } = this
    const { id, onRetry } = this.settings
    onRetry?.(error)
    emit('onehop:registration.retried', () => ({ service, id, operation, attempt, waitMs, error }))
  }

  /**
   * Registration can do without the permission that is missing. Once for each consequence: what is denied stays denied.
   * @param consequence what follows
   */
  reportDenied(error: Error, consequence: string): void {
    if (this.#denied.has(consequence)) return
    this.#denied.add(consequence)
    const { service } = this
    const { id } = this.settings
    emit('onehop:registration.denied', () => ({ service, id, error, consequence }))
  }
}
