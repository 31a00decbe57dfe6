/** All checks, in the order of the report. Each is independent of the others: what several need, the context looks up once. */
import type { HostCheck, ProcessCheck } from './check.ts'
import { addresses } from './checks/addresses.ts'
import { apiRoute } from './checks/api-route.ts'
import { clocks } from './checks/clocks.ts'
import { cloudMapApi } from './checks/cloud-map-api.ts'
import { descriptors } from './checks/descriptors.ts'
import { dns } from './checks/dns.ts'
import { fallback } from './checks/fallback.ts'
import { metadata } from './checks/metadata.ts'
import { negativeTtl } from './checks/negative-ttl.ts'
import { proxies } from './checks/proxies.ts'
import { registrations } from './checks/registrations.ts'
import { tasks } from './checks/tasks.ts'
import { zones } from './checks/zones.ts'

/** Of this process and its task. */
export const processChecks: readonly ProcessCheck[] = [metadata, apiRoute, descriptors]

/** Of each service. */
export const hostChecks: readonly HostCheck[] = [
  ...[cloudMapApi, dns, negativeTtl, registrations, addresses],
  ...[tasks, fallback, zones, clocks, proxies],
]
