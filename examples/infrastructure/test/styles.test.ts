/**
 * Both styles pass all checks, and make the same. What the checks find, breakages.test.ts shows.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { check } from '../check/check.ts'
import { handWritten, STACKS, synthesised } from '../check/styles.ts'
import { at } from '../check/template.ts'
import { worldOf } from '../check/world.ts'
import { comparable } from './comparable.ts'

const cdk = await synthesised()
const templates = handWritten()
afterAll(() => cdk[Symbol.dispose]())

const folder = fileURLToPath(new URL('..', import.meta.url))

describe.each([templates, cdk])('$name', (style) => {
  test('passes the validator of AWS and the rules', () => {
    expect(check(style)).toEqual([])
  })

  test('has what it is an example of', () => {
    const { tasks, endpoints, namespaces, reaper } = worldOf(style)
    const kinds = tasks.map(({ name, registry, balancer, service, environment }) => [
      name,
      service ? 'service' : 'RunTask',
      registry
        ? 'registered by ECS'
        : environment['CLOUD_MAP_SERVICE']
          ? 'registers itself'
          : 'not registered',
      at(balancer?.itself, 'Type') ?? 'no balancer',
    ])
    expect(kinds).toEqual([
      ['orders', 'service', 'registered by ECS', 'application'],
      ['stock', 'service', 'registers itself', 'no balancer'],
      ['reports', 'RunTask', 'registers itself', 'no balancer'],
      ['payments', 'service', 'not registered', 'application'],
      ['payments', 'service', 'not registered', 'network'],
      ['web', 'service', 'not registered', 'no balancer'],
      ['bench', 'RunTask', 'not registered', 'no balancer'],
    ])
    expect(endpoints).toHaveLength(6)
    expect(Object.values(namespaces).map((each) => at(each, 'Name'))).toEqual(['shop.local', 'shop-http'])
    expect(at(reaper?.rule, 'EventPattern', 'detail', 'lastStatus')).toEqual(['STOPPED'])
  })
})

test('both styles make the same', () => {
  expect(comparable(worldOf(cdk))).toEqual(comparable(worldOf(templates)))
})

describe('deploy.sh', () => {
  const script = `${folder}cloudformation/deploy.sh`

  test('deploys the templates that are checked, under the same names', () => {
    const { stdout } = spawnSync('bash', [script, '--list'], { encoding: 'utf8' })
    expect(
      Object.fromEntries(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ')),
      ),
    ).toEqual(STACKS)
  })

  test('has a value for each parameter when it comes to a template', () => {
    const known = new Set(['Image'])
    for (const { name, template } of templates.stacks) {
      const parameters = Object.entries(template.Parameters ?? {})
      const missing = parameters
        .filter(([id, { Default }]) => Default === undefined && !known.has(id))
        .map(([id]) => id)
      expect({ name, missing }).toEqual({ name, missing: [] })
      for (const id of Object.keys(template.Outputs ?? {})) known.add(id)
    }
  })
})

test('the CDK app needs no account, no look-up and no credentials', () => {
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    CDK_OUTDIR: `${process.env['TMPDIR'] ?? '/tmp'}/onehop-cdk-out-${process.pid}`,
  }
  const { status, stderr } = spawnSync(process.execPath, ['cdk/app.ts'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const manifest = JSON.parse(readFileSync(`${env.CDK_OUTDIR}/manifest.json`, 'utf8')) as {
    missing?: unknown
  }
  expect(manifest.missing).toBeUndefined()
})
