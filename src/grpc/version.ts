import { InvalidOptionsError } from '../index.ts'
import type { GrpcJs } from './grpc-js.ts'

/** Resolvers and load-balancing policies are experimental: any minor version may change them, as 1.14 did. */
const MINOR = '1.14'

/** What 1.14 has and 1.13 has not. */
const NEW_IN_MINOR = 'statusOrFromValue'

/**
 * The experimental API of a grpc-js that this door knows.
 * @throws InvalidOptionsError for another version, or for what is not grpc-js
 */
export function checkGrpc(given: unknown): GrpcJs {
  const grpc = given as GrpcJs | null | undefined
  if (typeof grpc?.experimental?.registerResolver !== 'function')
    throw new InvalidOptionsError('registerCloudMap.grpc', given, "what '@grpc/grpc-js' exports")
  const version = versionOf(grpc)
  const isKnown = version === undefined ? NEW_IN_MINOR in grpc.experimental : version.startsWith(`${MINOR}.`)
  if (isKnown) return grpc
  throw new InvalidOptionsError(
    '@grpc/grpc-js',
    version ?? 'a version without experimental.statusOrFromValue',
    `${MINOR}.x (>=1.14 <1.15), because its API for resolvers and load-balancing policies is experimental`,
  )
}

/** By the package.json of the file that exports this very API; undefined within a bundle. */
function versionOf({ experimental }: GrpcJs): string | undefined {
  // Not imported: bundlers read calls of an imported `createRequire`, and banners for esbuild declare that name.
  const node = process.getBuiltinModule('node:module')
  // The cache is one for the process, whatever file asks for it.
  const { cache } = node.createRequire(process.execPath)
  for (const [file, module] of Object.entries(cache)) {
    if (!/grpc-js/.test(file) || module === undefined) continue
    const exported = module.exports as Partial<GrpcJs> | null | undefined
    if (exported?.experimental !== experimental) continue
    return (node.createRequire(file)('../../package.json') as { version: string }).version
  }
  return undefined
}
