import { join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'

/** Before the first test: the frameworks and the shutdown packages that the tasks use. */
export default function setup(): void {
  installPackages(join(import.meta.dirname, 'packages'))
}
