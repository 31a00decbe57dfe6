/** All checks of one style. */
import { lifecycleComplaints } from './rules/lifecycle.ts'
import { networkComplaints } from './rules/network.ts'
import { permissionComplaints } from './rules/permissions.ts'
import type { Style } from './styles.ts'
import { validate } from './validate.ts'
import { worldOf } from './world.ts'

/** All findings: those of AWS's validator first, since the rules cannot follow a broken reference. */
export function check(style: Style): string[] {
  const invalid = validate(style.stacks)
  if (invalid.length > 0) return invalid
  const world = worldOf(style)
  return [...networkComplaints(world), ...permissionComplaints(world), ...lifecycleComplaints(world)]
}
