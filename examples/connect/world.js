/**
 * Where the example runs: a local AWS with the service `orders.shop.local`, and two tasks of it. On Fargate all of this exists,
 * and `options` is empty.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startLocalAws } from 'onehop/testing'

export async function startWorld() {
  const aws = await startLocalAws()
  aws.addService('orders.shop.local')
  const tasks = await Promise.all(['127.0.3.1', '127.0.3.2'].map(startTask))
  for (const { host } of tasks) aws.register('orders.shop.local', host, { ipv4: host, port: 50_051 })
  return {
    options: { dns: { servers: [aws.dns.server] }, cloudMap: aws.cloudMap, allowLoopback: true },
    async close() {
      for (const { child } of tasks) child.kill('SIGKILL')
      await aws.close()
    },
  }
}

async function startTask(host) {
  const file = new URL('server.js', import.meta.url).pathname
  const child = spawn(process.execPath, [...process.execArgv, file], { env: { ...process.env, HOST: host } })
  child.stderr.pipe(process.stderr)
  await once(child.stdout, 'data')
  return { host, child }
}
