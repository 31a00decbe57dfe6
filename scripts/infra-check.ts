/**
 * Checks examples/infrastructure: types, then the tests, which synthesise the CDK app and validate all templates.
 * Installs the example's own packages where they are missing. Arguments go to the test runner.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const FOLDER = 'examples/infrastructure'

if (!existsSync(`${FOLDER}/node_modules/aws-cdk-lib`))
  run('npm', 'ci', '--prefix', FOLDER, '--no-audit', '--no-fund')
run('tsc', '--noEmit', '-p', FOLDER)
run('vitest', 'run', '--project', 'infrastructure', ...process.argv.slice(2))

/** Ends the process where the command fails. */
function run(command: string, ...args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}
