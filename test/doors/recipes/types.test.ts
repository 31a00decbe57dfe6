/** The recipes compile with the types of their libraries, which `npm run types` does not have. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = new URL('../../../', import.meta.url).pathname

test('recipes, and what the tests do with them, have the right types', async () => {
  const args = [`${root}node_modules/typescript/bin/tsc`, '--noEmit', '-p', 'test/doors/packages']
  const failed = await promisify(execFile)(process.execPath, args, { cwd: root }).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  )
  expect(failed).toBe('')
})

test('docs/recipes.md shows each recipe', () => {
  const text = readFileSync(`${root}docs/recipes.md`, 'utf8')
  const recipes = readdirSync(`${root}examples/recipes`).filter((name) => name.endsWith('.ts'))
  expect(recipes.length).toBeGreaterThan(10)
  for (const name of recipes) expect(text).toContain(`<!-- examples/recipes/${name} -->`)
})
