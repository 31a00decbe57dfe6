/** Runs AWS's own validator: schemas of all resources, references, types, best practices. Offline. */
import { CelEngine, TemplateFile } from '@aws/cloudformation-validate'
import { basename } from 'node:path'
import type { Stack } from './styles.ts'

/** Warnings that are accepted, or that a reader could not remove. */
const ACCEPTED: Readonly<Record<string, string>> = {
  W3002: 'reaper.yaml names a folder, which `aws cloudformation package` uploads',
  W3005: 'CDK writes DependsOn beside references that say the same',
  W3010: 'CDK has the zones by name, so that it needs no account',
}

/** Compiles its rules once, in a second. It lives as long as the process: its memory is not the garbage collector's. */
let engine: InstanceType<typeof CelEngine> | undefined

/** Errors and warnings; its notes (resources without tags, properties that replace) are left out. */
export function validate(stacks: readonly Stack[]): string[] {
  engine ??= new CelEngine()
  const config = { severityLevel: 'WARN', exclude: { ids: Object.keys(ACCEPTED) } } as const
  const found: string[] = []
  for (const { path } of stacks)
    for (const { ruleId, message, startLine, entity } of engine.validateStandard(
      new TemplateFile(path),
      config,
    ).diagnostics)
      found.push(`${basename(path)}:${startLine}: ${ruleId} ${entity?.logicalId ?? ''}: ${message}`)
  return found
}
