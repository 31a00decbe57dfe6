/**
 * The declarations, under the compilers that users have: each entry, imported from ESM and required from CommonJS, in a
 * strict project that checks the declarations of its packages too.
 */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { consumer, ENTRIES, root, run, tool } from './consumer.ts'

const user = consumer({ peers: true })

/** How a project looks for modules; `bundler` is for ESM. */
type Resolution = 'node16' | 'nodenext' | 'bundler'
/** Whether an optional property may be given as undefined. */
type Optional = 'exact' | 'loose'

const NEWEST = '7'
/** A compiler written in JavaScript takes some five seconds of CPU for each; the newest is quick, and does all. */
const RUNS: readonly [version: string, resolution: Resolution, optional: Optional][] = [
  ['5.4', 'node16', 'exact'],
  ['5.4', 'nodenext', 'loose'],
  ['5.4', 'bundler', 'exact'],
  ['5.6', 'node16', 'loose'],
  ['5.6', 'nodenext', 'exact'],
  ['5.8', 'node16', 'exact'],
  ['5.8', 'nodenext', 'loose'],
  ['5.9', 'node16', 'loose'],
  ['5.9', 'nodenext', 'exact'],
  ['6.0', 'node16', 'exact'],
  ['6.0', 'nodenext', 'loose'],
  ...(['node16', 'nodenext', 'bundler'] as const).flatMap((resolution) =>
    (['exact', 'loose'] as const).map((optional): [string, Resolution, Optional] => [
      NEWEST,
      resolution,
      optional,
    ]),
  ),
]

/** The same statements in ESM and in CommonJS; compilers that know no `using` are older than 5.2. */
const PROGRAM = `
  import { createServer } from 'node:http'
  import { createClient, OnehopError, type Client, type ClientOptions, type Snapshot } from 'onehop'
  import { register, RegistrationError, self, type Registration } from 'onehop/ecs'
  import { reaper, type TaskStateChange } from 'onehop/ecs/reaper'
  import { OnehopHttpAgent } from 'onehop/http'
  import { observe } from 'onehop/otel'
  import { startLocalAws, type LocalAws } from 'onehop/testing'

  const options: ClientOptions = {
    namespaces: ['shop.local'],
    services: { 'orders.shop.local': { fallback: 'http://alb.internal', retry: { attempts: 2 } } },
  }
  export async function main(maybe: { readonly zone?: string | undefined }) {
    await using client: Client = createClient(options)
    createClient({ ...options, allowAddresses: undefined, slowStartMs: undefined })
    const response: Response = await client.fetch('http://orders.shop.local/')
    const { statusCode, body } = await client.request('http://orders.shop.local/', { method: 'POST', body: 'x' })
    const handedOn: typeof fetch = client.fetch
    const snapshot: Snapshot = await client.resolve('orders.shop.local')
    using watched = client.watch('orders.shop.local', ({ endpoints }) => endpoints.length)
    const aws: LocalAws = await startLocalAws()
    const zone: string | undefined = (await self()).zone ?? maybe.zone
    const code: string = new Error() instanceof OnehopError ? 'ours' : 'other'
    const registration: Registration = register({ services: { service: 'srv-abc123', port: createServer() }, ready: '/health' })
    await registration.registered.catch((error: unknown) => error instanceof RegistrationError && error.failure)
    const handler: (event: TaskStateChange) => Promise<unknown> = reaper({ services: ['srv-abc123'] })
    const agent = new OnehopHttpAgent(client, { keepAlive: true })
    using observed = observe(client)
    // @ts-expect-error: an unknown option is a mistake that the compiler finds too
    createClient({ namespace: 'shop.local' })
    // @ts-expect-error: and so is a value of another type
    const wrong: number = await client.resolve('orders.shop.local')
    return { response, statusCode, body, handedOn, snapshot, watched, aws, zone, code, handler, agent, observed, wrong }
  }`

const ESM = ENTRIES.map((name, index) => `export * as e${index} from '${name}'`).join('\n')
const COMMONJS = ENTRIES.map((name, index) => `export import e${index} = require('${name}')`).join('\n')

/** With the types of browsers, which most projects have by default, and without them. */
const LIBRARIES = { exact: ['es2022'], loose: ['es2022', 'dom'] }

test.each(RUNS)('TypeScript %s compiles a consumer of each entry: %s, %s', async (...setting) => {
  const [version, resolution, optional] = setting
  const forms = resolution === 'bundler' ? ['mts'] : ['mts', 'cts']
  for (const form of forms) await user.write(`program.${form}`, PROGRAM)
  await user.write('entries.mts', ESM)
  await user.write('entries.cts', COMMONJS)
  const project = `tsconfig.${setting.join('-')}.json`
  await user.write(
    project,
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        exactOptionalPropertyTypes: optional === 'exact',
        module: resolution === 'bundler' ? 'esnext' : resolution,
        moduleResolution: resolution,
        target: 'es2022',
        lib: LIBRARIES[optional],
        types: ['node'],
      },
      files: forms.flatMap((form) => [`program.${form}`, `entries.${form}`]),
    }),
  )
  const [command, ...flags] =
    version === NEWEST
      ? [join(root, 'node_modules/.bin/tsc')]
      : [process.execPath, tool(`typescript-${version}/bin/tsc`)]
  // Exits non-zero for any error, and prints it.
  const { stdout } = await run(command, [...flags, '-p', project], { cwd: user.folder }).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})
