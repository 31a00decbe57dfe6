import { join } from 'node:path'
import { installPackages } from '../../../scripts/private-packages.ts'

/** Before the first test: OpenTelemetry's SDK, exporters and instrumentations. */
export default function setup(): void {
  installPackages(join(import.meta.dirname, 'packages'))
}
