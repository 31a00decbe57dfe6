/** The part of `onehop/auto` that needs the library. `index.ts` loads it when the settings are read. */
import { LOADS_LATE } from '../core/loads-late.ts'
import { createClient, InvalidOptionsError, type ClientOptions } from '../index.ts'
import { install, type InstallOptions } from '../install/index.ts'
import type { AutoConfig } from './config-file.ts'
import type { Environment } from './environment.ts'
import { messageOf, WrongSetting } from './wrong-setting.ts'

/**
 * @param file options of `ONEHOP_CONFIG`
 * @returns false: neither variables nor file name a host or a namespace
 * @throws WrongSetting
 */
export function start(environment: Environment, file: AutoConfig): boolean {
  const { fetch, http, mode, ...fromFile } = file
  const options = withVariables(fromFile, environment)
  try {
    const late = { ...options, [LOADS_LATE]: true }
    install(createClient(late), given({ fetch, http, mode, ...environment.install }))
    return [...(options.namespaces ?? []), ...Object.keys(options.services ?? {})].length > 0
  } catch (error) {
    throw explained(error, environment)
  }
}

/** Variables go before the file: a deployment sets them, and the file is in the image. */
function withVariables(file: ClientOptions, environment: Environment): ClientOptions {
  const { namespaces, discovery, dnsServers, fallbacks } = environment
  const services = { ...file.services }
  for (const [host, fallback] of fallbacks.byHost) services[host] = { ...services[host], fallback }
  return given({
    ...file,
    ...(fallbacks.byHost.size > 0 && { services }),
    ...(fallbacks.ofAll !== undefined && { fallback: fallbacks.ofAll }),
    ...(namespaces.length > 0 && { namespaces }),
    ...(discovery !== undefined && { discovery }),
    ...(dnsServers.length > 0 && { dns: { ...file.dns, servers: dnsServers } }),
  })
}

function given<Options extends ClientOptions | InstallOptions>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}

/** Names the variable that an option has come from. */
function explained(error: unknown, environment: Environment): Error {
  if (!(error instanceof InvalidOptionsError)) return error as Error
  const { option } = error
  const { namespaces, dnsServers, fallbacks, config } = environment
  const [, text = ''] = /^\[\w+\] ([^]*)$/.exec(error.message) ?? []
  const isFrom = (variable: string): WrongSetting => new WrongSetting(`${variable}: ${text}`)
  if (option.startsWith('namespaces') && namespaces.length > 0) return isFrom('ONEHOP_NAMESPACES')
  if (option.startsWith('dns.servers') && dnsServers.length > 0) return isFrom('ONEHOP_DNS_SERVERS')
  const isOf = (host: string): boolean =>
    option === `services.${host}` || option === `services[${JSON.stringify(host)}]`
  if ([...fallbacks.byHost.keys()].some(isOf)) return isFrom('ONEHOP_FALLBACKS')
  return config === undefined ? new WrongSetting(messageOf(error)) : isFrom(`ONEHOP_CONFIG ("${config}")`)
}
