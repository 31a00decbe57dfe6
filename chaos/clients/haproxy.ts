import { setTimeout as delay } from 'node:timers/promises'
import { Agent } from 'undici'
import { Daemon } from '../../test/support/processes/daemon.ts'
import type { Stage } from '../stage.ts'
import { callerThrough, type Client } from './caller.ts'

const UP_WITHIN_MS = 10_000
const HAPROXY = { name: 'haproxy', debianPackage: 'haproxy' }

/** As on ECS: a sidecar that finds tasks by DNS, balances by connections, and sends again what may be sent again. */
export function haproxy(checks: boolean): Client {
  return {
    name: checks ? 'HAProxy, httpchk' : 'HAProxy',
    countsAttempts: false,
    async start(stage, host) {
      const daemon = await Daemon.start({
        program: HAPROXY,
        files: (port) => ({ 'haproxy.cfg': configuration(stage, host, port, checks) }),
        args: (folder) => ['-W', '-f', `${folder}/haproxy.cfg`],
        ready: /Loading success/,
      })
      const agent = new Agent()
      const caller = callerThrough(agent, `http://${daemon.server}`, stage.pathOf(host), async () => {
        await agent.destroy()
        await daemon[Symbol.asyncDispose]()
      })
      // It listens before it has asked DNS.
      while ((await caller.call('GET', AbortSignal.timeout(UP_WITHIN_MS))) !== 200) await delay(100)
      return caller
    },
  }
}

function configuration(stage: Stage, host: string, port: number, checks: boolean): string {
  const check = checks ? 'check inter 1s fall 2 rise 1' : ''
  return `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 15s
  timeout check 1s
resolvers vpc
  nameserver one ${stage.dns}
  accepted_payload_size 4096
  hold valid 5s
  resolve_retries 2
  timeout resolve 1s
  timeout retry 1s
frontend in
  bind 127.0.0.1:${port}
  default_backend tasks
backend tasks
  balance leastconn
  ${checks ? 'option httpchk GET /health' : ''}
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response junk-response response-timeout 502 503 504
  http-request disable-l7-retry if METH_POST !{ req.hdr(idempotency-key) -m found }
  server-template task 16 ${host}:${stage.port} resolvers vpc resolve-prefer ipv4 init-addr none ${check}
`
}
