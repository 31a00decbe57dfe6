/** The example in its two styles, as the same stacks by the same names. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readTemplate, type Template } from './template.ts'

/** A stack and the template that it is deployed from, in the order in which deploy.sh deploys them. */
export const STACKS = {
  'shop-network': 'network',
  'shop-orders': 'discovered',
  'shop-stock': 'registering',
  'shop-reports': 'run-task',
  'shop-payments': 'balanced',
  'shop-payments-nlb': 'balanced-nlb',
  'shop-web': 'caller',
  'shop-reaper': 'reaper',
  'shop-bench': 'bench',
} as const

export interface Stack {
  readonly name: string
  readonly path: string
  readonly template: Template
}

export interface Style {
  readonly name: 'CDK' | 'CloudFormation'
  readonly stacks: readonly Stack[]
}

export const templates: string = fileURLToPath(new URL('../cloudformation', import.meta.url))

export function handWritten(folder: string = templates): Style {
  const stacks = Object.entries(STACKS).map(([name, file]) => read(name, join(folder, `${file}.yaml`)))
  return { name: 'CloudFormation', stacks }
}

/** Synthesises the CDK app into a temporary folder, which goes with the disposal. Throws what CDK finds. */
export async function synthesised(): Promise<Style & Disposable> {
  const { shop } = await import('../cdk/shop.ts')
  const outdir = mkdtempSync(join(tmpdir(), 'onehop-infrastructure-'))
  const remove = (): void => rmSync(outdir, { recursive: true, force: true })
  try {
    shop({ outdir }).synth()
    const stacks = Object.keys(STACKS).map((name) => read(name, join(outdir, `${name}.template.json`)))
    return { name: 'CDK', stacks, [Symbol.dispose]: remove }
  } catch (error) {
    remove()
    throw error
  }
}

function read(name: string, path: string): Stack {
  try {
    return { name, path, template: readTemplate(path) }
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause })
  }
}
