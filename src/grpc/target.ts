import { InvalidOptionsError } from '../index.ts'
import type { GrpcJs, GrpcUri } from './grpc-js.ts'

/** Where a channel goes. */
export interface Target {
  readonly host: string
  /** The one that the caller wrote. */
  readonly port: number | undefined
  /** For `client.acquire`, and the key in `inspect()`. The channel's credentials decide about TLS, not its scheme. */
  readonly origin: string
}

/**
 * `cloudmap:///orders.shop.local:50051`
 * @throws InvalidOptionsError for what has no host, a port that is none, or an authority (two slashes)
 */
export function parseTarget(uri: GrpcUri, { experimental }: GrpcJs): Target {
  const { scheme = '', authority = '', path } = uri
  const parsed = authority === '' && /^[\w.-]+(:\d+)?$/.test(path) ? experimental.splitHostPort(path) : null
  const { host, port } = parsed ?? {}
  if (host === undefined || (port !== undefined && (port < 1 || port > 65_535))) {
    const written = `${scheme}:${uri.authority === undefined ? '' : `//${uri.authority}/`}${path}`
    throw new InvalidOptionsError(
      'target',
      written,
      `${scheme}:///<host>[:<port>], with three slashes, e.g. ${scheme}:///orders.shop.local:50051`,
    )
  }
  return { host, port, origin: `http://${host}${port === undefined ? '' : `:${port}`}` }
}
