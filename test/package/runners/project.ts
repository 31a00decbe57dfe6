/** A user's project with the packed package in it, and tests for each runner. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import { nodeOf } from '../../support/processes/nodes.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
/** Where the runners and compilers are installed. */
export const PACKAGES: string = join(import.meta.dirname, 'packages/node_modules')

export interface Project extends AsyncDisposable {
  readonly folder: string
  /** @returns what the program printed, whatever its exit code */
  node(
    major: string,
    ...parameters: readonly string[]
  ): Promise<{ readonly ok: boolean; readonly text: string }>
}

const BODY = `
test('a client of answerWith', async () => {
  const client = answerWith(() => Response.json({ id: 42 }))
  const response = await client.fetch('http://orders.shop.local/v1', { method: 'POST', body: '{}' })
  assert.deepEqual(await response.json(), { id: 42 })
  assert.equal(await client.requests[0].text(), '{}')
  await client.close()
})
test('a client over sockets', async () => {
  const fleet = await startFleet({ tasks: 1 })
  const [{ address, port }] = fleet.tasks
  const client = createClient({
    services: { 'orders.shop.local': {} },
    discovery: staticResolver({ 'orders.shop.local': [address + ':' + port] }),
  })
  assert.equal((await client.fetch('http://orders.shop.local/v1')).status, 200)
  await client.close()
  await fleet.close()
})
test('entries share their classes', () => {
  assert.throws(() => answerWith(1), InvalidOptionsError)
})
`
const REQUIRE = `
const assert = require('node:assert/strict')
const { createClient, InvalidOptionsError, staticResolver } = require('onehop')
const { answerWith, startFleet } = require('onehop/testing')
require('onehop/http')
require('onehop/ecs')
`
const IMPORT = `
import assert from 'node:assert/strict'
import { createClient, InvalidOptionsError, staticResolver } from 'onehop'
import { answerWith, startFleet } from 'onehop/testing'
import 'onehop/http'
import 'onehop/ecs'
`
const FAKE = `
jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] })
`
const FILES: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'a-service', private: true }),
  'cjs.test.cjs': REQUIRE + BODY,
  'fake.test.cjs': REQUIRE + FAKE + BODY,
  'esm.test.mjs': IMPORT + BODY,
  'ts.test.ts':
    IMPORT.replaceAll(/import '.*'/g, '') + BODY.replace('answerWith(1)', 'answerWith(1 as never)'),
  'node.test.cjs': `const { test } = require('node:test')${REQUIRE}${BODY}`,
  'node.test.mjs': `import { test } from 'node:test'${IMPORT}${BODY}`,
  'vitest.test.mjs': `import { test } from 'vitest'${IMPORT}${BODY}`,
  'mocha.cjs': REQUIRE + BODY.replaceAll('test(', 'it('),
  'mocha.mjs': IMPORT + BODY.replaceAll('test(', 'it('),
}

const SHOWN = ['jest.config.cjs', 'jest.environment.cjs']

/** What the user has installed beside onehop, and where it stands here. */
const LINKS: Readonly<Record<string, string>> = {
  '@swc': '@swc',
  // Only Jest 29 needs it.
  'jest-environment-node': 'jest-29/node_modules/jest-environment-node',
}

/** What a document shows of a file of the user's, by the comment before it. */
async function shown(file: string): Promise<string> {
  const text = await readFile(join(root, 'docs/testing.md'), 'utf8')
  const code = text.split(`<!-- ${file} -->\n\`\`\`js\n`)[1]?.split('```')[0]
  if (code === undefined) throw new Error(`docs/testing.md does not show ${file}`)
  return code
}

/** Installs the packed package. */
export async function makeProject(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-runners-'))
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text)
  for (const name of SHOWN) await writeFile(join(folder, name), await shown(name))
  const flags = ['install', '--no-audit', '--no-fund', inject('tarball')]
  await run('npm', flags, { cwd: folder })
  for (const [name, target] of Object.entries(LINKS))
    await symlink(join(PACKAGES, target), join(folder, 'node_modules', name))
  return {
    folder,
    async node(major, ...parameters) {
      // Of the run that this is a part of.
      const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, VITEST: _vitest, ...env } = process.env
      try {
        const { stdout: text, stderr } = await run(nodeOf(major), parameters, {
          cwd: folder,
          timeout: 280_000,
          env,
        })
        return { ok: true, text: text + stderr }
      } catch (error) {
        const { stdout: text, stderr } = error as { stdout: string; stderr: string }
        return { ok: false, text: text + stderr }
      }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
