import type {
  DiscoverInstancesCommandInput,
  DiscoverInstancesCommandOutput,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import type { Usage, UsageCounter } from '../usage.ts'
import { CloudMapError } from './error.ts'
import { MissingConfigError, SdkClient, type LoadedSdk } from './sdk-client.ts'

/** How the API names a service. */
export interface ServiceInNamespace {
  readonly NamespaceName: string
  readonly ServiceName: string
  readonly OwnerAccount?: string | undefined
}

/** What mends a lack of each. */
const REMEDIES: Readonly<Record<MissingConfigError['missing'], string>> = {
  region: 'set AWS_REGION or cloudMap.region, or use discovery: "dns"',
  credentials: 'give the task a role, set cloudMap.credentials, or use discovery: "dns"',
}

type Operation = keyof Usage['apiCalls']

/** What the SDK adds to outputs and errors. */
interface Answered {
  readonly $metadata: { readonly attempts?: number | undefined }
}

/**
 * The operations that discovery uses. Each call takes the host for the error when credentials or region are missing,
 * and throws a `CloudMapError` for those; what the SDK throws for all else.
 */
export class CloudMapApi {
  readonly #sdk: SdkClient
  readonly #usage: UsageCounter | undefined

  /** @param usage counts the calls [they are not counted] */
  constructor(config: ServiceDiscoveryClientConfig, usage?: UsageCounter) {
    this.#sdk = new SdkClient(config, 'the Cloud Map resolver')
    this.#usage = usage
  }

  discoverInstances(
    host: string,
    input: DiscoverInstancesCommandInput,
    signal: AbortSignal,
  ): Promise<DiscoverInstancesCommandOutput> {
    return this.#call(host, 'DiscoverInstances', ({ sdk, client }) =>
      client.send(new sdk.DiscoverInstancesCommand(input), { abortSignal: signal }),
    )
  }

  /** @returns undefined from a server that has none */
  async discoverRevision(
    host: string,
    input: ServiceInNamespace,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { InstancesRevision } = await this.#call(host, 'DiscoverInstancesRevision', ({ sdk, client }) =>
      client.send(new sdk.DiscoverInstancesRevisionCommand(input), { abortSignal: signal }),
    )
    return InstancesRevision
  }

  /** Loads the SDK, and calls nothing. */
  load(): Promise<void> {
    return this.#sdk.load()
  }

  close(): Promise<void> {
    return this.#sdk.close()
  }

  async #call<Output extends Answered>(
    host: string,
    operation: Operation,
    send: (loaded: LoadedSdk) => Promise<Output>,
  ): Promise<Output> {
    const sendAndCount = async (loaded: LoadedSdk): Promise<Output> => {
      const [sent] = await Promise.allSettled([send(loaded)])
      const answered = (sent.status === 'fulfilled' ? sent.value : sent.reason) as
        | Partial<Answered>
        | undefined
      this.#usage?.count(host, operation, answered?.$metadata?.attempts ?? 1)
      if (sent.status === 'rejected') throw sent.reason
      return sent.value
    }
    try {
      return await this.#sdk.call(sendAndCount)
    } catch (error) {
      if (!(error instanceof MissingConfigError)) throw error
      const message = `${error.message}; ${REMEDIES[error.missing]}`
      throw new CloudMapError(host, 'no-credentials', message, error.cause)
    }
  }
}
