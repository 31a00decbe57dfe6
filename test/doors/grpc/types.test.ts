/** `src/grpc/grpc-js.ts` says what this door uses of grpc-js. Here it is compared with grpc-js itself. */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { PICK, STATE, STATUS } from '../../../src/grpc/grpc-js.ts'
import { grpc } from './packages/load.ts'

const packages = new URL('packages/', import.meta.url).pathname
const root = new URL('../../../', import.meta.url).pathname

test('statuses, states and results of picks have the numbers of grpc-js', () => {
  const { status, connectivityState, experimental } = grpc as unknown as Record<
    string,
    Record<string, object>
  >
  expect(status).toMatchObject(STATUS)
  expect(connectivityState).toMatchObject(STATE)
  expect(experimental?.['PickResultType']).toMatchObject(PICK)
})

const PROGRAM = `
import { experimental as real } from '@grpc/grpc-js'
import type * as own from '../../../../src/grpc/grpc-js.ts'

// What grpc-js gives has to be what onehop takes.
declare const subchannel: real.SubchannelInterface
export const subchannels: Omit<own.Subchannel, 'addConnectivityStateListener' | 'removeConnectivityStateListener' | 'getRealSubchannel'> = subchannel
subchannel.addConnectivityStateListener(
  (_subchannel, _previous, state: own.State, _keepaliveMs: number, error?: string) => void [state, error],
)
type Create = ReturnType<typeof subchannel.getRealSubchannel>['createCall']
declare const given: Parameters<Create>
export const taken: [own.Metadata, string, string, ...unknown[]] = given
export const listener: Pick<own.CallListener, 'onReceiveMetadata'> = given[3] as { onReceiveMetadata(metadata: any): void }
declare const reset: Parameters<Create>[3]['onReceiveStatus'] extends (status: infer Status) => void ? Status : never
export const rstCode: number | undefined = reset.rstCode
declare const pick: real.PickArgs
export const picks: own.PickArgs = pick
declare const helper: real.ChannelControlHelper
export const changed: void = helper.updateState(0, undefined as never, null)
export const created: real.SubchannelInterface = helper.createSubchannel({ host: '127.0.0.1', port: 1 }, {})

// What onehop gives has to be what grpc-js takes.
declare const result: Omit<own.PickResult, 'pickResultType' | 'subchannel' | 'status'>
export const results: Omit<real.PickResult, 'pickResultType' | 'subchannel' | 'status'> = result
declare const balancer: own.LoadBalancer
export const balancers: Omit<real.LoadBalancer, 'updateAddressList'> = balancer
declare const config: own.LoadBalancingConfig
export const configs: real.TypedLoadBalancingConfig = config
declare const resolver: own.Resolver
export const resolvers: real.Resolver = resolver
declare const endpoint: own.GrpcEndpoint
export const endpoints: real.Endpoint = endpoint
declare const listen: real.ResolverListener
export const accepted: boolean = listen({ ok: true, value: [endpoint] }, {}, null, '')
export const prefix: string = real.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX
export const host: ReturnType<own.GrpcJs['experimental']['splitHostPort']> = real.splitHostPort('a:1')
`

test('the types that this door writes down are those of grpc-js', async () => {
  const file = 'checked.generated.ts'
  await writeFile(packages + file, PROGRAM)
  onTestFinished(() => rm(packages + file))
  const flags = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2024']
  const options = ['--ignoreConfig', '--types', 'node', '--allowImportingTsExtensions']
  const printed = await promisify(execFile)(
    process.execPath,
    [`${root}node_modules/.bin/tsc`, ...flags, ...options, '--typeRoots', `${root}node_modules/@types`, file],
    { cwd: packages },
  ).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
  expect(printed).toBe('')
})
