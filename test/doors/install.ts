import { existsSync, globSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'

/** Before the first test: the libraries of others, a folder with its own lock file for each kind of door. */
export default function setup(): void {
  const files = globSync('**/packages/package-lock.json', {
    cwd: import.meta.dirname,
    exclude: (name) => name === 'node_modules',
  })
  for (const file of files) installPackages(dirname(`${import.meta.dirname}/${file}`))
  installRecipes()
}

/** For the recipes alone: they are examples, and their libraries those of the tests. */
export function installRecipes(): void {
  installPackages(join(import.meta.dirname, 'packages'))
  const link = join(import.meta.dirname, '../../examples/recipes/node_modules')
  if (!existsSync(link)) symlinkSync('../../test/doors/packages/node_modules', link, 'dir')
}
