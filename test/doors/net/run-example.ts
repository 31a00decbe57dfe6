import { startLocalAws } from 'onehop/testing'
import { expect } from 'vitest'
import { outputOf } from '../output-of.ts'
import type { ServerProcess } from './server-process.ts'

const root = new URL('../../..', import.meta.url).pathname

/** The host that each example of docs/doors/net.md calls, and what it prints. */
const EXAMPLES: Readonly<Record<string, { readonly host: string; readonly prints: string }>> = {
  ioredis: { host: 'cache.shop.local', prints: 'hello' },
  mongodb: { host: 'docs.shop.local', prints: "from: '127.0.2." },
  mysql2: { host: 'db.shop.local', prints: "server: '127.0.2." },
  pg: { host: 'db.shop.local', prints: "server: '127.0.2." },
  redis: { host: 'cache.shop.local', prints: 'hello' },
  ws: { host: 'feed.shop.local', prints: '127.0.2.' },
}

/** The port, by the variable that each example reads. */
const PORTS = ['PGPORT', 'MYSQL_PORT', 'REDIS_PORT', 'MONGO_PORT', 'FEED_PORT']

/** Runs an example as a process of its own, against one of the servers. */
export async function runExample(name: string, servers: readonly ServerProcess[]): Promise<void> {
  const { host, prints } = EXAMPLES[name] ?? { host: '', prints: '' }
  const [server] = servers
  if (host === '' || server === undefined) throw new Error(`no example, or no server, for ${name}`)
  await using aws = await startLocalAws()
  aws.addService(host)
  aws.register(host, server.address, { ipv4: server.address, port: server.port })
  const options = { dns: { servers: [aws.dns.server] }, cloudMap: aws.cloudMap, allowLoopback: true }
  const env = {
    ...process.env,
    ...Object.fromEntries(PORTS.map((variable) => [variable, String(server.port)])),
    ONEHOP_EXAMPLE: JSON.stringify(options),
  }
  const flags = ['--conditions=onehop:source', '--import', `${root}test/doors/net/packages/resolve.ts`]
  const program = `${root}examples/net/${name}.ts`
  expect(await outputOf([...flags, program], { env })).toContain(prints)
}
