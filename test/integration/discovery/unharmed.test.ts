/** What a source of endpoints does wrong is an error of that source, and never the end of the process. */
import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { a, response, udpServer } from '../../support/dns/servers.ts'

const NAME = 'orders.shop.local'
const PROGRAM = fileURLToPath(new URL('../../support/processes/unharmed.ts', import.meta.url))
const run = promisify(execFile)
const NODE = [process.execPath, '--conditions=onehop:source', PROGRAM]

// A process starts slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

/** @returns its lines; rejects when it ends with another exit code than 0 */
async function linesOf(command: readonly string[]): Promise<readonly string[]> {
  const [file = '', ...args] = command
  const { stdout } = await run(file, args, { timeout: 55_000 })
  return stdout.trim().split('\n')
}

// A network namespace of one's own has no interface that is up.
const WITHOUT_NETWORK = ['unshare', '-rn']
const canUnshare = ((): boolean => {
  const [file = '', ...options] = WITHOUT_NETWORK
  try {
    execFileSync(file, [...options, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

test.runIf(process.platform === 'linux')(
  'a DNS server that may not be connected to (EACCES) is passed over, and the next one asked',
  async () => {
    const good = await udpServer((query, reply) =>
      reply(response(query, { answers: [a(NAME, '127.0.1.1')] })),
    )
    expect(await linesOf([...NODE, 'dns', `255.255.255.255,${good.server}`])).toEqual(['127.0.1.1', 'alive'])
    const [failed] = await linesOf([...NODE, 'dns', '255.255.255.255,127.0.0.1:1'])
    expect(failed).toMatch(/255\.255\.255\.255:53 connect EACCES .*; 127\.0\.0\.1:1 .*ECONNREFUSED/)
  },
)

test.runIf(canUnshare)('no network at all is an error of each server (ENETUNREACH)', async () => {
  const [failed, ...rest] = await linesOf([...WITHOUT_NETWORK, ...NODE, 'dns', '10.0.0.2,2001:db8::1'])
  expect(failed).toMatch(
    /10\.0\.0\.2:53 connect ENETUNREACH .*; \[2001:db8::1\]:53 connect E(NETUNREACH|ADDRNOTAVAIL)/,
  )
  expect(rest).toEqual(['alive'])
})

test('a resolver that rejects with a value that is not an error, and fails to close, is reported, and the client goes on', async () => {
  expect(await linesOf([...NODE, 'own'])).toEqual([
    `[ONEHOP_RESOLUTION_FAILED] ${NAME}: lookup failed: an error without text`,
    'alive',
  ])
})
