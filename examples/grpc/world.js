/**
 * Where the example runs: a local AWS with the service `orders.shop.local`, and two tasks of it. On Fargate all of this exists,
 * and `options` is empty.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { startLocalAws } from 'onehop/testing'

export async function startWorld() {
  const aws = await startLocalAws()
  aws.addService('orders.shop.local')
  const port = await freePort()
  const tasks = await Promise.all(['127.0.1.1', '127.0.1.2'].map((host) => startTask(host, port)))
  const stop = () => tasks.forEach(({ child }) => child.kill('SIGKILL'))
  process.once('exit', stop).once('SIGTERM', () => process.exit(143))
  for (const { host } of tasks) aws.register('orders.shop.local', host, { ipv4: host, port })
  return {
    options: { dns: { servers: [aws.dns.server] }, cloudMap: aws.cloudMap, allowLoopback: true, port },
    async close() {
      stop()
      await aws.close()
    },
  }
}

async function startTask(host, port) {
  const file = new URL('server.js', import.meta.url).pathname
  const env = { ...process.env, HOST: host, PORT: String(port) }
  const child = spawn(process.execPath, [...process.execArgv, file], { env })
  child.stderr.pipe(process.stderr)
  const failed = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`the task ended with ${code}`)),
  )
  await Promise.race([once(child.stdout, 'data'), failed])
  failed.catch(() => undefined)
  return { host, child }
}

async function freePort() {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
