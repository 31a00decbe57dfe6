import type * as Sdk from '@aws-sdk/client-servicediscovery'
import type {
  DiscoverInstancesCommandInput,
  DiscoverInstancesCommandOutput,
  ServiceDiscoveryClient,
  ServiceDiscoveryClientConfig,
} from '@aws-sdk/client-servicediscovery'
import { ClosedError, reasonOf } from '../../core/errors.ts'
import { CloudMapError, isExpired } from './error.ts'

/** Within the task's host. */
const CREDENTIALS_LIMIT_MS = 1_000
/** It answers within some 20 ms, or something is wrong. */
const TRY_LIMIT_MS = 3_000

/** How the API names a service. */
export interface ServiceInNamespace {
  readonly NamespaceName: string
  readonly ServiceName: string
  readonly OwnerAccount?: string
}

interface Loaded {
  readonly sdk: typeof Sdk
  readonly client: ServiceDiscoveryClient
}

/**
 * One client of the AWS SDK, loaded with the first call: that takes about 100 ms, and not all will use it.
 *
 * Each call takes the host for the error when credentials or region are missing, and throws a `CloudMapError`
 * for those; what the SDK throws for all else.
 */
export class CloudMapApi {
  readonly #config: ServiceDiscoveryClientConfig
  #loaded: Promise<Loaded> | undefined
  #closed = false

  constructor(config: ServiceDiscoveryClientConfig) {
    this.#config = config
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

  async close(): Promise<void> {
    this.#closed = true
    const loaded = await this.#loaded?.catch(() => undefined)
    loaded?.client.destroy()
  }

  async #call<Output>(host: string, send: (loaded: Loaded) => Promise<Output>): Promise<Output> {
    if (this.#closed) throw new ClosedError('the Cloud Map resolver')
    this.#loaded ??= this.#load()
    const loaded = await this.#loaded
    await this.#checkConfig(host, loaded.client)
    try {
      return await send(loaded)
    } catch (error) {
      if (!isExpired(error)) throw error
      // The SDK keeps credentials without an expiration for ever, and others until their expiration.
      await this.#checkConfig(host, loaded.client, { forceRefresh: true })
      return await send(loaded)
    }
  }

  /** Asked for one by one (the SDK keeps them): in send() their errors are hard to distinguish. */
  async #checkConfig(
    host: string,
    { config }: ServiceDiscoveryClient,
    how: { readonly forceRefresh: boolean } = { forceRefresh: false },
  ): Promise<void> {
    await config.region().catch((error: unknown) => {
      const remedy = 'set AWS_REGION or cloudMap.region, or use discovery: "dns"'
      throw new CloudMapError(host, 'no-credentials', `no AWS region (${reasonOf(error)}); ${remedy}`, error)
    })
    await config.credentials(how).catch((error: unknown) => {
      const remedy = 'give the task a role, set cloudMap.credentials, or use discovery: "dns"'
      throw new CloudMapError(
        host,
        'no-credentials',
        `no AWS credentials (${reasonOf(error)}); ${remedy}`,
        error,
      )
    })
  }

  async #load(): Promise<Loaded> {
    const [sdk, { BackgroundHttp }, { containerCredentials }] = await Promise.all([
      import('@aws-sdk/client-servicediscovery'),
      import('./http.ts'),
      import('./container-credentials.ts'),
    ])
    const requestHandler = new BackgroundHttp(TRY_LIMIT_MS)
    const credentials =
      this.#config.credentials ?? containerCredentials(new BackgroundHttp(CREDENTIALS_LIMIT_MS))
    const config = { ...this.#config, requestHandler, ...(credentials !== undefined && { credentials }) }
    return { sdk, client: new sdk.ServiceDiscoveryClient(config) }
  }
}
