/** `src/connect/protocol-types.ts` says what this door takes and gives. Here Connect's own types have to agree. */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const packages = new URL('packages/', import.meta.url).pathname
const root = new URL('../../../', import.meta.url).pathname

const PROGRAM = `
import { createTransport as connect } from '@connectrpc/connect/protocol-connect'
import { createTransport as grpc } from '@connectrpc/connect/protocol-grpc'
import { createTransport as web } from '@connectrpc/connect/protocol-grpc-web'
import type { Interceptor, Transport } from '@connectrpc/connect'
import type { UniversalClientFn } from '@connectrpc/connect/protocol'
import { compressionGzip } from '@connectrpc/connect-node'
import { createClient, type Classify } from '../../../../src/index.ts'
import { callKinds, grpcClassify, transportOptions, universalClient } from '../../../../src/connect/index.ts'

const classify: Classify = grpcClassify
const { dispatcher } = createClient({ classify })
const own: Interceptor = (next) => (request) => next(request)
export const interceptor: Interceptor = callKinds
export const httpClient: UniversalClientFn = universalClient(dispatcher)
export const transports: Transport[] = [connect, grpc, web].flatMap((createTransport) => [
  createTransport({ ...transportOptions(dispatcher), baseUrl: 'http://orders.shop.local' }),
  createTransport({ ...transportOptions(dispatcher, [own]), baseUrl: 'http://orders.shop.local', useHttpGet: true }),
  createTransport({
    ...transportOptions(dispatcher),
    baseUrl: 'http://orders.shop.local',
    acceptCompression: [compressionGzip],
    sendCompression: compressionGzip,
  }),
])
// @ts-expect-error: a client is not a dispatcher
universalClient(createClient())
`

test.each([true, false])(
  "Connect's types and this door's agree, exactOptionalPropertyTypes: %s",
  async (exact) => {
    const file = `${packages}types-${exact}.ts`
    await writeFile(file, PROGRAM)
    onTestFinished(() => rm(file))
    const flags = [
      ...['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck'],
      ...['--types', 'node', '--typeRoots', `${root}node_modules/@types`, '--allowImportingTsExtensions'],
      ...['--exactOptionalPropertyTypes', String(exact), '--ignoreConfig', file],
    ]
    const told = await promisify(execFile)(process.execPath, [`${root}node_modules/.bin/tsc`, ...flags]).then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    )
    expect(told).toBe('')
  },
)
