/**
 * The examples run, and what the README and the docs show of them is what they are.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { allowForProcesses, runNode } from '../support/processes/programs.ts'

allowForProcesses()
// Their tests run here, with the time that processes may take.
await import('../../examples/own-fallback.test.ts')
await import('../../examples/own-service.test.ts')

const root = new URL('../..', import.meta.url).pathname

const isMarkdown = (name: string): boolean => name.endsWith('.md')

/** What each example has to print, besides ending by itself with status 0. */
const PRINTS: Record<string, readonly string[]> = {
  'api.ts': ['cloud-map', "zone: 'eu-west-1a'"],
  // A file of options, which prints nothing.
  'auto-config.ts': [],
  'dns.ts': ['dns', "address: '127.0.1."],
  'ecs.ts': ['5f0c2a9b7d1e4c38a6b90d2f1e7c8a44 eu-west-1b 10.0.11.42', 'cache 127.0.0.1'],
  'fallback.ts': ['via the load balancer', '200 balancer'],
  'global-fetch.ts': ['200', "path: '/v1/orders/42'"],
  'http-agent.ts': ['200', '/v1/orders/42'],
  'install.ts': ['200', '/v1/orders/42'],
  'lease.ts': ['tasks: 127.0.1.', 'connected to 127.0.1.'],
  'quick-start.ts': ["path: '/v1/orders/42'", "method: 'POST'"],
}

describe('examples', () => {
  const files = readdirSync(`${root}examples`).filter(
    (name) => name.endsWith('.ts') && !/world|service|\.test\./.test(name),
  )

  test('all of them are known here', () => {
    expect(files.toSorted()).toEqual(Object.keys(PRINTS))
  })

  test.each(files)('%s runs', async (file) => {
    const { stdout, stderr } = await runNode([`${root}examples/${file}`])
    for (const text of PRINTS[file] ?? []) expect(stdout + stderr).toContain(text)
  })

  test.each(['own-unit', 'own-mock-agent'])('%s.test.ts passes under node:test', async (name) => {
    // Set, it would be a part of another run.
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const { stdout } = await runNode(['--test', `${root}examples/${name}.test.ts`], env)
    expect(stdout).toMatch(/pass [1-9]/)
  })
})

describe('documents', () => {
  const shown = [
    'README.md',
    ...readdirSync(`${root}docs`, { recursive: true, encoding: 'utf8' })
      .map((name) => `docs/${name}`)
      .filter(isMarkdown),
  ].flatMap((document) => {
    const text = readFileSync(root + document, 'utf8')
    return [...text.matchAll(/<!-- (examples\/\S+) -->\n```ts\n([^]*?)```/g)].map(
      ([, file = '', code = '']) => [document, file, code] as const,
    )
  })

  test('show examples', () => {
    expect(shown.length).toBeGreaterThanOrEqual(7)
  })

  test.each(shown)('%s shows %s as it is', (_document, file, code) => {
    const source = readFileSync(root + file, 'utf8')
    const region = /\/\/ #region readme\n([^]*?)\/\/ #endregion/.exec(source)?.[1] ?? source
    // What points an example at the local AWS is not what a user writes.
    const written = region.split('\n').filter((line) => !line.includes('...local.options'))
    const inline = region.includes(', ...local.options }')
    const expected = inline ? region.replace(', ...local.options }', ' }') : written.join('\n')
    expect(code).toBe(expected)
  })
})
