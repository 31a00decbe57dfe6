import { Agent, type Pool } from 'undici'
import { createClient, staticResolver, type ClientOptions } from '../../index.ts'
import type { Clock } from '../../core/clock.ts'
import { isDirect, type Arm, type ArmName, type ArmOptions, type Way } from './arm.ts'
import { ConnectionMeter } from './connection-meter.ts'

/** As long as undici waits for a connection, and longer than onehop does. */
const CONNECT_MS = 10_000

/** @param name another one than the way for a control */
export function makeArm(way: Way, options: ArmOptions, clock: Clock, name: ArmName = way): Arm {
  const { url, fallback, request, tls, allowH2 } = options
  const isAlone = way === 'undici'
  const meter = new ConnectionMeter(clock)
  const pool = {
    allowH2,
    connect: meter.connector({ ...tls, allowH2, timeout: isAlone ? CONNECT_MS : 0 }),
  }
  const path = `${url.pathname}${url.search}`
  if (isAlone) {
    const dispatcher = new Agent(pool)
    const { origin } = fallback ?? url
    const target = { dispatcher, request: { ...request, origin, path } }
    return { name, way, target, meter, client: undefined, close: () => dispatcher.destroy() }
  }
  const client = createClient(clientOptions(way, options, pool))
  return {
    name,
    way,
    target: { dispatcher: client.dispatcher, request: { ...request, origin: url.origin, path } },
    meter,
    client,
    close: () => client.close({ withinMs: 1_000 }),
  }
}

function clientOptions(way: Way, { url, fallback, client }: ArmOptions, pool: Pool.Options): ClientOptions {
  const host = url.hostname
  const { services = {}, ...rest } = client
  const service = { ...services[host], ...(fallback === undefined ? {} : { fallback }) }
  return {
    ...rest,
    services: { ...services, [host]: service },
    // The tasks are not known, so that all calls fall back.
    discovery: isDirect(way) ? (way as 'dns' | 'api') : staticResolver({ [host]: [] }),
    pool,
  }
}
