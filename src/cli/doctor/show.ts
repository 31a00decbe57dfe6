import { counted } from '../terminal/counted.ts'
import type { Output } from '../terminal/output.ts'
import type { Examined, Finding } from './check.ts'

const TITLE_WIDTH = 16

/** The report for people: one line for each check, its findings below it. */
export function reportLines(examined: readonly Examined[], out: Output): string[] {
  const groups = Map.groupBy(examined, ({ host }) => host)
  const lines = [...groups].flatMap(([host, checks]) => [
    out.style('bold', host ?? 'this process'),
    ...checks.flatMap((check) => checkLines(check, out)),
    '',
  ])
  return [...lines, summary(examined, out)]
}

/** The report for programs. */
export function doctorJson(examined: readonly Examined[]): object {
  return {
    healthy: examined.every(({ findings, isDone }) => isDone && findings.length === 0),
    checks: examined,
  }
}

function checkLines({ check, facts, findings, isChecked, isDone }: Examined, out: Output): string[] {
  const mark = !isDone
    ? out.style('yellow', '?')
    : findings.length > 0
      ? out.style('red', '✗')
      : isChecked
        ? out.style('green', '✓')
        : out.style('dim', '-')
  const text = isDone ? facts.join('; ') : 'interrupted'
  return [
    `  ${mark} ${check.padEnd(TITLE_WIDTH)}  ${text}`.trimEnd(),
    ...findings.flatMap((finding) => findingLines(finding, out)),
  ]
}

function findingLines({ id, level, what, cause, remedy }: Finding, out: Output): string[] {
  const colour = level === 'problem' ? 'red' : 'yellow'
  return [
    `      ${out.style(colour, `${level} ${id}:`)} ${what}`,
    `        ${out.style('dim', 'cause')}  ${cause}`,
    `        ${out.style('dim', 'to do')}  ${remedy}`,
  ]
}

function summary(examined: readonly Examined[], out: Output): string {
  const findings = examined.flatMap((one) => one.findings)
  const unfinished = examined.filter(({ isDone }) => !isDone).length
  const unchecked = examined.filter(
    ({ isChecked, isDone, findings: found }) => isDone && !isChecked && found.length === 0,
  ).length
  const rest = [
    unchecked === 0 ? '' : `; ${unchecked} could not be made, or had nothing to check (-)`,
    unfinished === 0 ? '' : `; ${unfinished} not done`,
  ].join('')
  if (findings.length === 0)
    return out.style(unfinished === 0 ? 'green' : 'yellow', `${examined.length} checks, no findings${rest}`)
  const problems = findings.filter(({ level }) => level === 'problem').length
  return out.style(
    'red',
    `${counted(examined.length, 'check')}, ${counted(problems, 'problem')}, ${counted(findings.length - problems, 'warning')}${rest}`,
  )
}
