/**
 * Adds up the test runner's reports in a folder and prints `N passed, N failed`; the last line of CI.
 * Exits non-zero when a test failed, a suite could not be loaded, or a step outside the tests failed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
  readonly success: boolean
}

const [folder = '.', failedSteps = '0'] = process.argv.slice(2)
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report)
const passed = reports.reduce((sum, report) => sum + report.numPassedTests, 0)
const failed = reports.reduce((sum, report) => sum + report.numFailedTests, 0)
const broken = failedSteps !== '0' || passed === 0 || reports.some((report) => !report.success)
if (broken) console.log('at least one step failed: see "--- failed" above')
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = broken || failed > 0 ? 1 : 0
