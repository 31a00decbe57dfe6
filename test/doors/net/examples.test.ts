/** The examples of docs/doors/net.md run, as they are, against the servers that they are for. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { DRIVERS } from './drivers.ts'

const root = new URL('../../..', import.meta.url).pathname

/** The host that each example calls, and what it prints. */
const EXAMPLES: Readonly<Record<string, { readonly host: string; readonly prints: string }>> = {
  ioredis: { host: 'cache.shop.local', prints: 'hello' },
  mongodb: { host: 'docs.shop.local', prints: "from: '127.0.2.1'" },
  mysql2: { host: 'db.shop.local', prints: "server: '127.0.2.1'" },
  pg: { host: 'db.shop.local', prints: "server: '127.0.2.1'" },
  redis: { host: 'cache.shop.local', prints: 'hello' },
  ws: { host: 'feed.shop.local', prints: '127.0.2.1' },
}

test('all of them are known here', () => {
  const files = readdirSync(`${root}examples/net`).filter((name) => !/world|\.d\.ts$/.test(name))
  expect(files.toSorted()).toEqual(Object.keys(EXAMPLES).map((name) => `${name}.ts`))
})

test.each(Object.entries(EXAMPLES))('%s runs, and ends by itself', async (name, { host, prints }) => {
  await using servers = await DRIVERS[name]?.servers(1)
  await using aws = await startLocalAws()
  aws.addService(host)
  for (const { address, port } of servers?.list ?? []) aws.register(host, address, { ipv4: address, port })
  const flags = ['--conditions=onehop:source', '--import', `${root}test/doors/net/packages/resolve.ts`]
  const port = String(servers?.port)
  const env = {
    ...process.env,
    ONEHOP_EXAMPLE: JSON.stringify({
      dns: { servers: [aws.dns.server] },
      cloudMap: aws.cloudMap,
      allowLoopback: true,
    }),
    ...{ REDIS_PORT: port, MONGO_PORT: port },
  }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, `${root}examples/net/${name}.ts`],
    { env, timeout: 25_000 },
  )
  expect(stdout).toContain(prints)
})
