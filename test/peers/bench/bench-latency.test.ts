/** `npm run bench:latency` in short: it runs, ends by itself, and leaves no network namespace behind. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Compared } from '../../../benchmarks/latency/table.ts'

const run = promisify(execFile)
const NODE = new URL('../../../node_modules/.bin/node', import.meta.url).pathname
const MAIN = new URL('../../../benchmarks/latency/main.ts', import.meta.url).pathname

async function namespaces(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']).catch(() => ({ stdout: '' }))
  return stdout.split('\n').filter((name) => name.startsWith('onehop'))
}

test('each proxy is compared over HTTP and, in namespaces, over TLS', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-latency-test-'))
  const before = await namespaces()
  try {
    const flags = ['--conditions=onehop:source', MAIN, '--quick', '--json', '--html', folder]
    const { stdout, stderr } = await run(NODE, flags, { timeout: 170_000, maxBuffer: 100_000_000 })
    expect(stderr).not.toContain('Left out')
    const compared = JSON.parse(stdout) as Compared[]
    const isIsolated = !stderr.includes('may not make network namespaces')
    expect(compared.map(({ balancer, tls }) => `${balancer}, ${tls}`)).toEqual(
      [
        'HAProxy in the place of an ALB',
        'nginx in the place of an ALB',
        'HAProxy in TCP mode in the place of an NLB',
      ].flatMap((name) => (isIsolated ? [`${name}, false`, `${name}, true`] : [`${name}, false`])),
    )
    for (const { balancer, tls, report } of compared) {
      expect(report.title).toMatch(
        balancer.includes('NLB') ? /, which is not an NLB$/ : /, which is not an ALB$/,
      )
      expect(report.notices.join()).toContain('No load balancer of AWS')
      expect(report.arms.map(({ name }) => name)).toEqual(['dns', 'api', 'fallback', 'undici', 'control'])
      for (const { calls, succeeded, fallbacks, connections } of report.arms) {
        // Where the machine stands still for a second, connections time out, and calls fall back.
        expect((succeeded - fallbacks) / calls).toBeGreaterThan(0.95)
        expect(connections.peak).toBeGreaterThan(0)
      }
      for (const { way, tls: handshake, tlsResumed, failed } of report.setUp) {
        expect(failed).toBe(0)
        expect(handshake === null).toBe(!tls)
        // In TCP mode the next connection goes to another task, which does not know the session.
        const isPassedOn = balancer.includes('TCP') && (way === 'fallback' || way === 'undici')
        if (!isPassedOn) expect(tlsResumed === null).toBe(!tls)
      }
    }
    expect(await readdir(folder)).toHaveLength(compared.length)
  } finally {
    await rm(folder, { recursive: true })
  }
  expect((await namespaces()).filter((name) => !before.includes(name))).toEqual([])
}, 180_000)
