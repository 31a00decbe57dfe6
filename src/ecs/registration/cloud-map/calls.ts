/** The operations of Cloud Map that registration uses, each with its time limit and errors in one form. */
import type {
  DeregisterInstanceRequest,
  DeregisterInstanceResponse,
  GetInstanceRequest,
  GetInstanceResponse,
  GetOperationRequest,
  GetOperationResponse,
  GetServiceRequest,
  GetServiceResponse,
  ListInstancesRequest,
  ListInstancesResponse,
  ListNamespacesRequest,
  ListNamespacesResponse,
  ListServicesRequest,
  ListServicesResponse,
  RegisterInstanceRequest,
  RegisterInstanceResponse,
  ServiceDiscoveryClient,
  ServiceDiscoveryClientConfig,
  UpdateInstanceCustomHealthStatusRequest,
} from '@aws-sdk/client-servicediscovery'
import type { Clock } from '../../../core/clock.ts'
import { inTime } from '../../../core/async/with-timeout.ts'
import { SdkClient } from '../../../discovery/cloud-map/sdk-client.ts'
import { registrationError } from '../errors.ts'

interface Operations {
  DeregisterInstance: { input: DeregisterInstanceRequest; output: DeregisterInstanceResponse }
  GetInstance: { input: GetInstanceRequest; output: GetInstanceResponse }
  GetOperation: { input: GetOperationRequest; output: GetOperationResponse }
  GetService: { input: GetServiceRequest; output: GetServiceResponse }
  ListInstances: { input: ListInstancesRequest; output: ListInstancesResponse }
  ListNamespaces: { input: ListNamespacesRequest; output: ListNamespacesResponse }
  ListServices: { input: ListServicesRequest; output: ListServicesResponse }
  RegisterInstance: { input: RegisterInstanceRequest; output: RegisterInstanceResponse }
  UpdateInstanceCustomHealthStatus: { input: UpdateInstanceCustomHealthStatusRequest; output: object }
}

/** Names of the operations. */
export type OperationName = keyof Operations
/** What an operation takes. */
export type InputOf<Name extends OperationName> = Operations[Name]['input']
/** What an operation answers. */
export type OutputOf<Name extends OperationName> = Operations[Name]['output']

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
export function sdkTransport(config: ServiceDiscoveryClientConfig): Transport {
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

type SdkCommand = Parameters<ServiceDiscoveryClient['send']>[0]

/** Over all of one call: credentials, connection, answer. The first call also loads the SDK. */
const CALL_LIMIT_MS = 5_000

/** What IAM checks these on; the others on the service's ARN. */
const ON_ALL: ReadonlySet<OperationName> = new Set(['GetOperation', 'ListNamespaces', 'ListServices'])

/** Calls for one service. Each throws a `RegistrationError`, or the signal's reason. */
export class ServiceCalls {
  /** As the option has it, for messages. */
  readonly service: string
  /** ARN of the service, as far as it is known; else its id or name. */
  resource: string
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #deadlineAt: number

  /** @param deadlineAt on the clock: calls fail then [none] */
  constructor(
    service: string,
    transport: Transport,
    clock: Clock,
    deadlineAt: number = Number.POSITIVE_INFINITY,
  ) {
    this.service = service
    this.resource = service.startsWith('arn:') ? service : `the service ${service}`
    this.#transport = transport
    this.#clock = clock
    this.#deadlineAt = deadlineAt
  }

  /**
   * @param signal ends the call; without one a call is awaited
   * @param deadlineAt on the clock: it fails then [none]
   */
  async call<Name extends OperationName>(
    name: Name,
    input: InputOf<Name>,
    signal?: AbortSignal,
    deadlineAt: number = this.#deadlineAt,
  ): Promise<OutputOf<Name>> {
    const limitMs = Math.max(0, Math.min(CALL_LIMIT_MS, deadlineAt - this.#clock.now()))
    const late = (): Error => new Error(`no answer in ${Math.round(limitMs)} ms`)
    const limit = { clock: this.#clock, limitMs, signal, late }
    try {
      if (limitMs === 0) throw new Error('no time is left to ask')
      return await inTime(limit, (own) => this.#transport.send(name, input, own))
    } catch (error) {
      signal?.throwIfAborted()
      throw registrationError(this.service, name, ON_ALL.has(name) ? '*' : this.resource, error)
    }
  }
}
