import type * as Sdk from '@aws-sdk/client-servicediscovery'
import type { ServiceDiscoveryClient, ServiceDiscoveryClientConfig } from '@aws-sdk/client-servicediscovery'
import { ClosedError, reasonOf } from '../../core/errors.ts'
import type * as ContainerCredentials from './container-credentials.ts'
import { isExpired } from './error.ts'
import type * as Http from './http.ts'

/** Within the task's host. */
const CREDENTIALS_LIMIT_MS = 1_000
/** The API answers within some 20 ms, or something is wrong. */
const TRY_LIMIT_MS = 3_000

/** The SDK's module, and the one client of it. */
export interface LoadedSdk {
  readonly sdk: typeof Sdk
  readonly client: ServiceDiscoveryClient
}

/** The SDK has found no region, or no credentials. */
export class MissingConfigError extends Error {
  readonly missing: 'region' | 'credentials'
  /** Whether there is a source of them, such as the task's role, which may answer the next time. */
  readonly isTransient: boolean

  constructor(missing: 'region' | 'credentials', isTransient: boolean, cause: unknown) {
    super(`no AWS ${missing} (${reasonOf(cause)})`, { cause })
    this.missing = missing
    this.isTransient = isTransient
  }
}

/**
 * One client of the AWS SDK, which is loaded by `load`, or by the first call: that takes about 100 ms, and seconds on a small
 * task, and not all will use it.
 */
export class SdkClient {
  readonly #config: ServiceDiscoveryClientConfig
  readonly #owner: string
  #modules: ReturnType<typeof importModules> | undefined
  #loaded: Promise<LoadedSdk> | undefined
  #hasSource = false
  #closed = false

  /** @param owner what is closed, for the message of the `ClosedError` */
  constructor(config: ServiceDiscoveryClientConfig, owner: string) {
    this.#config = config
    this.#owner = owner
  }

  /** Loads the SDK, and calls nothing. Rejects as the calls will, if it cannot be loaded. */
  async load(): Promise<void> {
    if (this.#closed) throw new ClosedError(this.#owner)
    await this.#import()
  }

  /**
   * @throws MissingConfigError when region or credentials are missing
   * @throws ClosedError after `close()`; what the SDK throws for all else
   */
  async call<Output>(send: (loaded: LoadedSdk) => Promise<Output>): Promise<Output> {
    if (this.#closed) throw new ClosedError(this.#owner)
    this.#loaded ??= this.#makeClient().catch((error: unknown) => {
      this.#loaded = undefined
      throw error
    })
    const loaded = await this.#loaded
    await this.#checkConfig(loaded.client)
    try {
      return await send(loaded)
    } catch (error) {
      if (!isExpired(error)) throw error
      // The SDK keeps credentials without an expiration for ever, and others until their expiration.
      await this.#checkConfig(loaded.client, { forceRefresh: true })
      return await send(loaded)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const loaded = await this.#loaded?.catch(() => undefined)
    loaded?.client.destroy()
  }

  /** Asked for one by one (the SDK keeps them): in send() their errors are hard to distinguish. */
  async #checkConfig(
    { config }: ServiceDiscoveryClient,
    how: { readonly forceRefresh: boolean } = { forceRefresh: false },
  ): Promise<void> {
    await config.region().catch((error: unknown) => {
      throw new MissingConfigError('region', false, error)
    })
    await config.credentials(how).catch((error: unknown) => {
      throw new MissingConfigError('credentials', this.#hasSource, error)
    })
  }

  /** A process without free file descriptors cannot load them now, and may later: a failure is not kept. */
  #import(): ReturnType<typeof importModules> {
    this.#modules ??= importModules().catch((error: unknown) => {
      this.#modules = undefined
      throw error
    })
    return this.#modules
  }

  async #makeClient(): Promise<LoadedSdk> {
    const [sdk, { BackgroundHttp }, { containerCredentials }] = await this.#import()
    const requestHandler = new BackgroundHttp(TRY_LIMIT_MS)
    const credentials =
      this.#config.credentials ?? containerCredentials(new BackgroundHttp(CREDENTIALS_LIMIT_MS))
    this.#hasSource = credentials !== undefined
    const { AWS_ENDPOINT_URL_SERVICEDISCOVERY: own, AWS_ENDPOINT_URL: ofAll } = process.env
    const config = {
      // The SDK would call `data-` and the name of an endpoint of the environment, which does not exist.
      ...((own ?? ofAll ?? '') !== '' && { disableHostPrefix: true }),
      ...this.#config,
      requestHandler,
      ...(credentials !== undefined && { credentials }),
    }
    return { sdk, client: new sdk.ServiceDiscoveryClient(config) }
  }
}

async function importModules(): Promise<[typeof Sdk, typeof Http, typeof ContainerCredentials]> {
  const [sdk, http, containerCredentials] = await Promise.all([
    import('@aws-sdk/client-servicediscovery'),
    import('./http.ts'),
    import('./container-credentials.ts'),
  ])
  return [namedExports(sdk), http, containerCredentials]
}

/** esbuild with `splitting` has the exports of CommonJS, which the SDK is in Node, as `default` alone. */
function namedExports(loaded: typeof Sdk | { readonly default: typeof Sdk }): typeof Sdk {
  return 'ServiceDiscoveryClient' in loaded ? loaded : loaded.default
}
