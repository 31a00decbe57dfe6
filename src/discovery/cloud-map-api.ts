import type * as Sdk from '@aws-sdk/client-servicediscovery'
import type {
  DiscoverInstancesCommandInput,
  DiscoverInstancesCommandOutput,
  ServiceDiscoveryClient,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import { ClosedError, reasonOf } from '../core/errors.ts'
import { CloudMapError } from './cloud-map-error.ts'

interface Loaded {
  readonly sdk: typeof Sdk
  readonly client: ServiceDiscoveryClient
}

/** One client of the AWS SDK, loaded with the first call: that takes about 100 ms, and not all will use it. */
export class CloudMapApi {
  readonly #config: ServiceDiscoveryClientConfig
  #loaded: Promise<Loaded> | undefined
  #closed = false

  constructor(config: ServiceDiscoveryClientConfig) {
    this.#config = config
  }

  /**
   * @param host for the error when credentials or region are missing
   * @throws CloudMapError for those; what the SDK throws for all else
   */
  async discoverInstances(
    host: string,
    input: DiscoverInstancesCommandInput,
    signal: AbortSignal,
  ): Promise<DiscoverInstancesCommandOutput> {
    if (this.#closed) throw new ClosedError('the Cloud Map resolver')
    this.#loaded ??= this.#load()
    const { sdk, client } = await this.#loaded
    // Asked for one by one (the SDK keeps them): in send() their errors are hard to tell from others.
    await client.config.region().catch((error: unknown) => {
      const remedy = 'set AWS_REGION or cloudMap.region, or use discovery: "dns"'
      throw new CloudMapError(host, 'no-credentials', `no AWS region (${reasonOf(error)}); ${remedy}`, error)
    })
    await client.config.credentials().catch((error: unknown) => {
      const remedy = 'give the task a role, set cloudMap.credentials, or use discovery: "dns"'
      throw new CloudMapError(
        host,
        'no-credentials',
        `no AWS credentials (${reasonOf(error)}); ${remedy}`,
        error,
      )
    })
    return client.send(new sdk.DiscoverInstancesCommand(input), { abortSignal: signal })
  }

  async close(): Promise<void> {
    this.#closed = true
    const loaded = await this.#loaded?.catch(() => undefined)
    loaded?.client.destroy()
  }

  async #load(): Promise<Loaded> {
    const sdk = await import('@aws-sdk/client-servicediscovery')
    return { sdk, client: new sdk.ServiceDiscoveryClient(this.#config) }
  }
}
