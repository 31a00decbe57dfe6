import { join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'

/** Before the first test: the libraries of others. */
export default function setup(): void {
  installPackages(join(import.meta.dirname, 'packages'))
}
