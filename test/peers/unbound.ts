/** unbound as the caching resolver between a client and an authority, as the VPC's resolver is. */
import { Daemon, type Program } from '../support/processes/daemon.ts'

const UNBOUND: Program = { name: 'unbound', debianPackage: 'unbound' }

/**
 * @param stubs zones, and the ports of loopback where their authorities are
 * @param options further lines of its `server` clause
 */
export function startUnbound(
  stubs: Readonly<Record<string, number>>,
  options: readonly string[] = [],
): Promise<Daemon> {
  return Daemon.start({
    program: UNBOUND,
    files: (port, folder) => ({ 'unbound.conf': configOf(stubs, options, port, folder) }),
    args: (folder) => ['-d', '-c', `${folder}/unbound.conf`],
    ready: /start of service/,
  })
}

function configOf(
  stubs: Readonly<Record<string, number>>,
  options: readonly string[],
  port: number,
  folder: string,
): string {
  const lines = [
    'server:',
    'interface: 127.0.0.1',
    `port: ${port}`,
    'do-ip6: no',
    'do-daemonize: no',
    'username: ""',
    'chroot: ""',
    `directory: "${folder}"`,
    'pidfile: ""',
    'use-syslog: no',
    'logfile: ""',
    'num-threads: 1',
    // Or two of them could have one port, and each some of the queries.
    'so-reuseport: no',
    'module-config: "iterator"',
    'do-not-query-localhost: no',
    ...options,
    'remote-control:',
    'control-enable: no',
  ]
  for (const [zone, authority] of Object.entries(stubs))
    lines.push('stub-zone:', `name: ${zone}`, `stub-addr: 127.0.0.1@${authority}`)
  return `${lines.join('\n')}\n`
}
