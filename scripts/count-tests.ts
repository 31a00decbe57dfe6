/**
 * Adds up the test runner's reports in a folder, tells what failed, and prints `N passed, N failed`: the last line of CI.
 * Exits non-zero when a test failed, a suite could not be loaded, or a step outside the tests failed.
 *
 *     node scripts/count-tests.ts <folder of reports> [<step that failed> ...]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    /** Why the file could not be loaded, if it could not. */
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[] | null
    }[]
  }[]
}

const LINES_TOLD = 40

const [folder = '.', ...failedSteps] = process.argv.slice(2)
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => [name, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report] as const)
let passed = 0
let failed = 0
let isBroken = failedSteps.length > 0
for (const [name, report] of reports) {
  passed += report.numPassedTests
  failed += report.numFailedTests
  if (!report.success) isBroken = true
  tellFailures(name, report)
}
for (const step of failedSteps) console.log(`failed step: ${step}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = isBroken || passed === 0 || failed > 0 ? 1 : 0

function tellFailures(name: string, { testResults }: Report): void {
  for (const file of testResults) {
    const path = relative(process.cwd(), file.name)
    const failures = file.assertionResults.filter(({ status }) => status === 'failed')
    for (const { fullName, failureMessages } of failures)
      console.log(`failed (${name}): ${path}: ${fullName}\n${brief(failureMessages?.join('\n') ?? '')}`)
    if (file.status === 'failed' && failures.length === 0)
      console.log(`failed (${name}): ${path}\n${brief(file.message)}`)
  }
}

function brief(message: string): string {
  return message.split('\n').slice(0, LINES_TOLD).join('\n')
}
