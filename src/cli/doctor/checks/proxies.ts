import { fine, warning, type HostCheck } from '../check.ts'

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']

/** Whether a proxy of the environment would take calls that should be direct. */
export const proxies: HostCheck = {
  title: 'proxies',
  async run({ env, target }) {
    const relevant = PROXIES.filter((name) => name !== (target.isTls ? 'HTTP_PROXY' : 'HTTPS_PROXY'))
    const names = relevant
      .flatMap((name) => [name, name.toLowerCase()])
      .filter((name) => (env[name] ?? '') !== '')
    if (names.length === 0) return fine('none in the environment')
    const exceptions = env['no_proxy'] ?? env['NO_PROXY'] ?? ''
    if (isExcepted(target.host, exceptions))
      return fine(`${names.join(', ')}, and NO_PROXY leaves ${target.host} out`)
    const { host } = target
    const domain = host.includes('.') ? host.slice(host.indexOf('.')) : host
    return warning('proxy-in-the-way', {
      what: `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} set, and NO_PROXY does not leave ${host} out`,
      cause: `onehop's own calls go past it, but all else does not: fetch and http with NODE_USE_ENV_PROXY or --use-env-proxy, axios, got, curl.${nodeUses(env) ? ' NODE_USE_ENV_PROXY is on here.' : ''}`,
      remedy: `Add to NO_PROXY: ${domain},169.254.170.2,169.254.169.254`,
    })
  },
}

function nodeUses(env: Readonly<Record<string, string | undefined>>): boolean {
  return env['NODE_USE_ENV_PROXY'] === '1' || (env['NODE_OPTIONS'] ?? '').includes('--use-env-proxy')
}

/** As curl, undici and Node read it: names, with all below them; `*`: all. */
function isExcepted(host: string, exceptions: string): boolean {
  return exceptions
    .split(/[\s,]+/)
    .map((entry) =>
      entry
        .replace(/:\d+$/, '')
        .replace(/^\*?\./, '')
        .toLowerCase(),
    )
    .some((entry) => entry === '*' || (entry !== '' && (host === entry || host.endsWith(`.${entry}`))))
}
