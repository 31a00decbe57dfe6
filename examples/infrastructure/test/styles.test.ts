/**
 * Both styles pass all checks, and make the same. breakages.test.ts shows what the checks find.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { check } from '../check/check.ts'
import { handWritten, STACKS, synthesised } from '../check/styles.ts'
import { at, readTemplate } from '../check/template.ts'
import { validate } from '../check/validate.ts'
import { worldOf } from '../check/world.ts'
import { comparable } from './comparable.ts'

const cdk = await synthesised()
const templates = handWritten()
afterAll(() => cdk[Symbol.dispose]())

const FAKE_AWS = `#!/bin/bash
cd "$(dirname "$0")"
case $2 in
  deploy) echo "$*" >> calls ;;
  package) ;;
  describe-stacks) cat "$4" ;;
esac
`

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

  test('passes each template what its parameters need, from the outputs of the stacks before it', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'onehop-deploy-'))
    try {
      // Stands for the AWS CLI: notes what it is called with, and knows the outputs of the stacks.
      for (const { name, template } of templates.stacks) {
        const outputs = Object.keys(template.Outputs ?? {}).map((output) => `${output}=of-${name}`)
        writeFileSync(join(scratch, name), `${outputs.join('\n')}\n`)
      }
      writeFileSync(join(scratch, 'aws'), FAKE_AWS, { mode: 0o755 })
      cpSync(`${folder}cloudformation`, join(scratch, 'cloudformation'), { recursive: true })
      mkdirSync(join(scratch, 'reaper', 'node_modules'), { recursive: true })
      const env = { PATH: `${scratch}:${process.env['PATH']}`, BUCKET: 'code' }
      const copy = join(scratch, 'cloudformation', 'deploy.sh')
      const run = spawnSync('bash', [copy, '--image', 'repository:1'], { encoding: 'utf8', env })
      expect([run.status, run.stderr]).toEqual([0, ''])
      const calls = readFileSync(join(scratch, 'calls'), 'utf8').trim().split('\n')
      expect(calls).toHaveLength(templates.stacks.length)
      for (const [index, { name, template }] of templates.stacks.entries()) {
        const words = calls[index]?.split(' ') ?? []
        expect(words).toContain(name)
        const passed = words.filter((word) => word.includes('=')).map((word) => word.split('=')[0])
        expect(passed).toEqual(expect.arrayContaining(Object.keys(template.Parameters ?? {})))
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
})

test('the CDK app needs no account, no look-up and no credentials', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'onehop-cdk-out-'))
  try {
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent', CDK_OUTDIR: outdir }
    const { status, stderr } = spawnSync(process.execPath, ['cdk/app.ts'], {
      cwd: folder,
      env,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
    const manifest = JSON.parse(readFileSync(join(outdir, 'manifest.json'), 'utf8')) as { missing?: unknown }
    expect(manifest.missing).toBeUndefined()
  } finally {
    rmSync(outdir, { recursive: true, force: true })
  }
})

test('docs/ecs/infrastructure.md shows the fragment for a stack that is there already, which passes the validator', () => {
  const path = `${folder}cloudformation/fragment.yaml`
  const [, shown] =
    /```yaml\n([^]*?)```/.exec(readFileSync(`${folder}../../docs/ecs/infrastructure.md`, 'utf8')) ?? []
  expect(shown).toBe(readFileSync(path, 'utf8'))
  expect(validate([{ name: 'fragment', path, template: readTemplate(path) }])).toEqual([])
})
