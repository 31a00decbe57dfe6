/** Proxies that stand in for load balancers. None of them is one: they are one process on the same machine. */
import { execFileSync } from 'node:child_process'
import { cert, key } from '../../test/support/transports/tls.ts'
import { PORT, TLS_PORT } from './task.ts'

export interface Balancer {
  /** `HAProxy in the place of an ALB` */
  readonly name: string
  readonly standsFor: 'ALB' | 'NLB'
  /** `HAProxy 2.6.12`; undefined if it is not installed. */
  readonly version: string | undefined
  /** Of its HTTP and its HTTPS listener. */
  readonly port: number
  readonly tlsPort: number
  /** Its configuration and other files, by their names. */
  files(address: string, tasks: readonly string[], folder: string): Readonly<Record<string, string>>
  command(folder: string): readonly string[]
}

/** Above 1,023, which needs no rights. */
const LISTENERS = { port: 8_000, tlsPort: 8_444 }

export const BALANCERS: readonly Balancer[] = [
  {
    name: 'HAProxy in the place of an ALB',
    standsFor: 'ALB',
    version: versionOf('haproxy', ['-v'], /version (\d[\d.]*)/),
    ...LISTENERS,
    files: (address, tasks, folder) => ({
      'haproxy.cfg': haproxy(
        'http',
        `  bind ${address}:${LISTENERS.port}\n  bind ${address}:${LISTENERS.tlsPort} ssl crt ${folder}/both.pem alpn http/1.1`,
        `  http-reuse always\n${servers(tasks, PORT)}`,
      ),
      'both.pem': cert + key,
    }),
    command: (folder) => ['haproxy', '-db', '-q', '-f', `${folder}/haproxy.cfg`],
  },
  {
    name: 'nginx in the place of an ALB',
    standsFor: 'ALB',
    version: versionOf('nginx', ['-v'], /nginx\/(\d[\d.]*)/),
    ...LISTENERS,
    files: (address, tasks, folder) => ({
      'nginx.conf': nginx(address, tasks, folder),
      'cert.pem': cert,
      'key.pem': key,
    }),
    command: (folder) => ['nginx', '-p', folder, '-c', `${folder}/nginx.conf`, '-g', 'daemon off;'],
  },
  {
    name: 'HAProxy in TCP mode in the place of an NLB',
    standsFor: 'NLB',
    version: versionOf('haproxy', ['-v'], /version (\d[\d.]*)/),
    ...LISTENERS,
    files: (address, tasks) => ({
      'haproxy.cfg': [
        haproxy('tcp', `  bind ${address}:${LISTENERS.port}`, servers(tasks, PORT)),
        section('tls', `  bind ${address}:${LISTENERS.tlsPort}`, servers(tasks, TLS_PORT)),
      ].join('\n'),
    }),
    command: (folder) => ['haproxy', '-db', '-q', '-f', `${folder}/haproxy.cfg`],
  },
]

function haproxy(mode: string, binds: string, backend: string): string {
  return `global
  maxconn 4000
defaults
  mode ${mode}
  timeout connect 1s
  timeout client 75s
  timeout server 75s
${section('plain', binds, backend)}`
}

function section(name: string, binds: string, backend: string): string {
  return `frontend ${name}
${binds}
  default_backend ${name}-tasks
backend ${name}-tasks
  balance roundrobin
${backend}
`
}

function servers(tasks: readonly string[], port: number): string {
  return tasks.map((address, index) => `  server task${index + 1} ${address}:${port}`).join('\n')
}

function nginx(address: string, tasks: readonly string[], folder: string): string {
  return `worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4000; }
http {
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 1000000;
  upstream tasks {
${tasks.map((task) => `    server ${task}:${PORT};`).join('\n')}
    keepalive 64;
    keepalive_requests 1000000;
  }
  server {
    listen ${address}:${LISTENERS.port};
    listen ${address}:${LISTENERS.tlsPort} ssl;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    location / {
      proxy_pass http://tasks;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }
  }
}
`
}

function versionOf(program: string, args: readonly string[], pattern: RegExp): string | undefined {
  try {
    // nginx writes its version to stderr.
    const output = execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin ${program} ${args.join(' ')} 2>&1`], {
      encoding: 'utf8',
    })
    const version = pattern.exec(output)?.[1]
    return version === undefined ? undefined : `${program === 'nginx' ? 'nginx' : 'HAProxy'} ${version}`
  } catch {
    return undefined
  }
}
