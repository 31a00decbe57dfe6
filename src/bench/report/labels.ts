import type { ArmName, Way } from '../arms/arm.ts'

const WAY_LABELS: Readonly<Record<Way, string>> = {
  dns: 'direct (DNS)',
  api: 'direct (API)',
  fallback: 'load balancer',
  undici: 'undici alone',
}

/** As reports name an arm. `onehop bench` and assertions use the names. */
export function labelOf(name: ArmName, way: Way): string {
  return name === 'control' ? `${WAY_LABELS[way]}, copy` : WAY_LABELS[way]
}
