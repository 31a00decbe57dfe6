/** BIND 9 as the authority for a few zones. */
import { execFile } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { promisify } from 'node:util'
import { Daemon, findProgram, type Program } from '../support/processes/daemon.ts'

const NAMED: Program = { name: 'named', debianPackage: 'bind9' }
const NSUPDATE: Program = { name: 'nsupdate', debianPackage: 'bind9-dnsutils' }

export interface Zone {
  /** Of the records that tell none, in seconds [30]. */
  readonly ttl?: number
  /** Of the SOA record, in seconds [that of the others]. */
  readonly soaTtl?: number
  /** Its last field: for how long it may be remembered that something does not exist, in seconds [5]. */
  readonly minimum?: number
  /** As in a zone file, without SOA and NS. */
  readonly records: readonly string[]
}

export interface NamedOptions {
  readonly zones: Readonly<Record<string, Zone>>
  /** Further statements of its `options`. */
  readonly options?: readonly string[]
}

export interface LoggedQuery {
  /** As asked, upper and lower case included. */
  readonly name: string
  readonly type: string
  readonly overTcp: boolean
}

export interface Named extends AsyncDisposable {
  readonly server: string
  readonly port: number
  /** The queries that it got since the last call of this. */
  queries(): Promise<readonly LoggedQuery[]>
  /** Lines of `nsupdate`, such as `update add orders.shop.local 2 A 127.0.1.1`. */
  update(zone: string, ...lines: readonly string[]): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
}

const MARKER = 'marker.peers'

export async function startNamed(options: NamedOptions): Promise<Named> {
  const daemon = await Daemon.start({
    program: NAMED,
    files: (port, folder) => filesOf(options, port, folder),
    // -g: in the foreground, and its log to stderr. One thread, so that its log has the order of the queries.
    args: (folder) => ['-g', '-n', '1', '-c', `${folder}/named.conf`],
    ready: /^\S+ \S+ running$/m,
    failed: /not loaded due to errors/,
  })
  let read = 0
  let markers = 0
  return {
    server: daemon.server,
    port: daemon.port,
    async queries() {
      // Its log comes later than its answers; but a query's line after those of the queries before it.
      const marker = `q${markers++}.${MARKER}`
      const resolver = new Resolver({ timeout: 1000, tries: 10 })
      resolver.setServers([daemon.server])
      // It refuses, having no such zone.
      await resolver.resolve4(marker).catch(() => undefined)
      const line = `query: ${marker} IN A `
      for (let at = -1; at < 0; at = daemon.log.indexOf(line))
        await new Promise((next) => setTimeout(next, 5))
      const news = daemon.log.slice(read)
      read = daemon.log.length
      return loggedQueries(news)
    },
    async update(zone, ...lines) {
      await nsupdate([`server 127.0.0.1 ${daemon.port}`, `zone ${zone}`, ...lines, 'send'])
    },
    kill: () => daemon.kill(),
    restart: () => daemon.restart(),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}

function filesOf(
  { zones, options = [] }: NamedOptions,
  port: number,
  folder: string,
): Record<string, string> {
  const files: Record<string, string> = {}
  const statements = [
    `directory "${folder}"`,
    `managed-keys-directory "${folder}"`,
    `key-directory "${folder}"`,
    'pid-file none',
    'lock-file none',
    'session-keyfile none',
    `listen-on port ${port} { 127.0.0.1; }`,
    'listen-on-v6 { none; }',
    // Or two of them could have one port, and each some of the queries.
    'reuseport no',
    'recursion no',
    'dnssec-validation no',
    'empty-zones-enable no',
    'notify no',
    'allow-transfer { none; }',
    'querylog yes',
    ...options,
  ]
  const blocks = [block('options', statements), 'controls { };']
  for (const [name, zone] of Object.entries(zones)) {
    files[`${name}.zone`] = zoneFile(zone)
    const lines = ['type primary', `file "${name}.zone"`, 'allow-update { 127.0.0.1; }']
    blocks.push(block(`zone "${name}"`, lines))
  }
  files['named.conf'] = blocks.join('\n')
  return files
}

function block(head: string, statements: readonly string[]): string {
  return `${head} {\n${statements.map((statement) => `  ${statement};\n`).join('')}};\n`
}

function zoneFile({ ttl = 30, soaTtl = ttl, minimum = 5, records }: Zone): string {
  const soa = `@ ${soaTtl} IN SOA ns admin 1 3600 3600 3600 ${minimum}`
  return [`$TTL ${ttl}`, soa, '@ IN NS ns', 'ns IN A 127.0.0.1', ...records, ''].join('\n')
}

function loggedQueries(log: string): readonly LoggedQuery[] {
  return Array.from(
    log.matchAll(/query: (\S+) IN (\S+) [+-](\S*)/g),
    ([, name = '', type = '', flags = '']) => ({
      name,
      type,
      overTcp: flags.includes('T'),
    }),
  ).filter(({ name }) => !name.endsWith(MARKER))
}

async function nsupdate(lines: readonly string[]): Promise<void> {
  // -v: over TCP, so that a machine under load delays it, and no more.
  const running = promisify(execFile)(findProgram(NSUPDATE), ['-v', '-t', '20'])
  running.child.stdin?.end(`${lines.join('\n')}\n`)
  await running
}
