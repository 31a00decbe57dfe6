import type {
  DiscoverInstancesCommandInput,
  DiscoverInstancesCommandOutput,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import { CloudMapError } from './error.ts'
import { MissingConfigError, SdkClient, type LoadedSdk } from './sdk-client.ts'

/** How the API names a service. */
export interface ServiceInNamespace {
  readonly NamespaceName: string
  readonly ServiceName: string
  readonly OwnerAccount?: string
}

/** What mends a lack of each. */
const REMEDIES: Readonly<Record<MissingConfigError['missing'], string>> = {
  region: 'set AWS_REGION or cloudMap.region, or use discovery: "dns"',
  credentials: 'give the task a role, set cloudMap.credentials, or use discovery: "dns"',
}

/**
 * The operations that discovery uses. Each call takes the host for the error when credentials or region are missing,
 * and throws a `CloudMapError` for those; what the SDK throws for all else.
 */
export class CloudMapApi {
  readonly #sdk: SdkClient

  constructor(config: ServiceDiscoveryClientConfig) {
    this.#sdk = new SdkClient(config, 'the Cloud Map resolver')
  }

  discoverInstances(
    host: string,
    input: DiscoverInstancesCommandInput,
    signal: AbortSignal,
  ): Promise<DiscoverInstancesCommandOutput> {
    return this.#call(host, ({ sdk, client }) =>
      client.send(new sdk.DiscoverInstancesCommand(input), { abortSignal: signal }),
    )
  }

  /** @returns undefined from a server that has none */
  async discoverRevision(
    host: string,
    input: ServiceInNamespace,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { InstancesRevision } = await this.#call(host, ({ sdk, client }) =>
      client.send(new sdk.DiscoverInstancesRevisionCommand(input), { abortSignal: signal }),
    )
    return InstancesRevision
  }

  close(): Promise<void> {
    return this.#sdk.close()
  }

  async #call<Output>(host: string, send: (loaded: LoadedSdk) => Promise<Output>): Promise<Output> {
    try {
      return await this.#sdk.call(send)
    } catch (error) {
      if (!(error instanceof MissingConfigError)) throw error
      const message = `${error.message}; ${REMEDIES[error.missing]}`
      throw new CloudMapError(host, 'no-credentials', message, error.cause)
    }
  }
}
