/**
 * The load balancer of the demo, on loopback: HAProxy if it is installed, otherwise the small proxy of
 * `embedded-proxy.ts` in its own process. Both mark their responses with `x-via: balancer`. Neither is an ALB: no
 * network hop, no TLS, no zones.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface Balancer extends AsyncDisposable {
  /** `HAProxy 2.6.12`, `an embedded proxy (HAProxy is not installed)` */
  readonly name: string
  readonly origin: string
}

/** @param targets `address:port` of all tasks, also of those that start later: health checks find them */
export async function startBalancer(targets: readonly string[]): Promise<Balancer> {
  const version = haproxyVersion()
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'onehop-demo-'))
  let child: ChildProcess
  if (version === undefined) {
    const script = new URL('./embedded-proxy.ts', import.meta.url).pathname
    child = spawn(process.execPath, [script, String(port), ...targets], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } else {
    const config = join(folder, 'haproxy.cfg')
    await writeFile(config, haproxyConfig(port, targets))
    child = spawn('haproxy', ['-db', '-q', '-f', config], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const origin = `http://127.0.0.1:${port}`
  await untilItServes(origin)
  return {
    name: version ?? 'an embedded proxy (HAProxy is not installed)',
    origin,
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function haproxyVersion(): string | undefined {
  try {
    const output = execFileSync('haproxy', ['-v'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return `HAProxy ${/version (\S+?)(-| )/.exec(output)?.[1] ?? ''}`.trim()
  } catch {
    return undefined
  }
}

// As an ALB does: round robin over healthy targets. If a connection fails, another target gets the request.
function haproxyConfig(port: number, targets: readonly string[]): string {
  const servers = targets.map(
    (target, index) => `  server task${index} ${target} check inter 250 fall 1 rise 1`,
  )
  return `
global
  maxconn 4000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  option redispatch 1
  retries 3
  retry-on conn-failure
frontend front
  bind 127.0.0.1:${port}
  default_backend tasks
backend tasks
  balance roundrobin
  http-response set-header x-via balancer
${servers.join('\n')}
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function untilItServes(origin: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const response = await fetch(origin).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.status === 200) return
    await delay(50)
  }
  throw new Error(`the load balancer at ${origin} does not serve`)
}
