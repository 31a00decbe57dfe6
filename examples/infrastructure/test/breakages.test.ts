/**
 * A broken template fails the check: each row breaks one thing, and has the finding that must name it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CfnResource } from 'aws-cdk-lib'
import { afterAll, describe, expect, test } from 'vitest'
import { shop } from '../cdk/shop.ts'
import { check } from '../check/check.ts'
import { handWritten, templates } from '../check/styles.ts'

const scratch = mkdtempSync(join(tmpdir(), 'onehop-broken-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let copies = 0

/** A copy of the templates with one text replaced in one of them, once or everywhere. */
function broken(file: string, from: string, to: string): string {
  const folder = join(scratch, String(++copies))
  cpSync(templates, folder, { recursive: true })
  const text = readFileSync(join(folder, file), 'utf8')
  if (!text.includes(from)) throw new Error(`${file} does not say ${from}`)
  writeFileSync(join(folder, file), text.replaceAll(from, to))
  return folder
}

type Row = readonly [what: string, file: string, from: string, to: string, finding: RegExp]

const bySchema: readonly Row[] = [
  [
    'a property that does not exist',
    'discovered.yaml',
    'DesiredCount:',
    'DesiredCounts:',
    /discovered\.yaml:\d+: .*DesiredCounts/,
  ],
  ['a reference to nothing', 'caller.yaml', '!Ref Fallback', '!Ref Fallbacks', /Fallbacks/],
  [
    'an attribute that does not exist',
    'registering.yaml',
    '!GetAtt CloudMap.Arn',
    '!GetAtt CloudMap.Address',
    /CloudMap\.Address|Address/,
  ],
  ['a wrong type', 'discovered.yaml', 'DesiredCount: 2', 'DesiredCount: two', /DesiredCount|integer/],
  ['a value out of range', 'balanced.yaml', 'Port: 80\n', 'Port: 80000\n', /80000|Port/],
  [
    'a value that is none of those allowed',
    'caller.yaml',
    'CpuArchitecture: ARM64',
    'CpuArchitecture: ARM',
    /'ARM' is not one of/,
  ],
  [
    'CPU and memory that Fargate does not have',
    'bench.yaml',
    "Memory: '2048'",
    "Memory: '9000'",
    /[Mm]emory/,
  ],
  [
    'a resource type that does not exist',
    'reaper.yaml',
    'AWS::Events::Rule',
    'AWS::Events::Rules',
    /AWS::Events::Rules/,
  ],
  [
    'a required property that is missing',
    'discovered.yaml',
    '      GroupDescription: The balancer\n',
    '',
    /'GroupDescription' is a required property/,
  ],
  [
    'a circle of references',
    'discovered.yaml',
    'GroupDescription: The balancer\n',
    'GroupDescription: The balancer\n      SecurityGroupEgress: [{ IpProtocol: tcp, FromPort: 8080, ToPort: 8080, DestinationSecurityGroupId: !Ref Tasks }]\n',
    /ircular/,
  ],
]

const byRule: readonly Row[] = [
  [
    'a NAT gateway',
    'network.yaml',
    '  Cluster:\n',
    '  Nat:\n    Type: AWS::EC2::NatGateway\n    Properties: { SubnetId: !Ref SubnetA, ConnectivityType: private }\n  Cluster:\n',
    /NatGateway/,
  ],
  [
    'a public address',
    'caller.yaml',
    'AssignPublicIp: DISABLED',
    'AssignPublicIp: ENABLED',
    /web: AssignPublicIp is ENABLED/,
  ],
  [
    'a subnet with public addresses',
    'network.yaml',
    'MapPublicIpOnLaunch: false',
    'MapPublicIpOnLaunch: true',
    /gives public addresses/,
  ],
  [
    'a balancer on the internet',
    'balanced.yaml',
    'Scheme: internal',
    'Scheme: internet-facing',
    /balancer is not internal/,
  ],
  [
    'a port that is open to all',
    'registering.yaml',
    'SecurityGroupIngress:\n',
    'SecurityGroupIngress:\n        - { IpProtocol: tcp, FromPort: 8080, ToPort: 8080, CidrIp: 10.0.0.0/8 }\n',
    /admits 10\.0\.0\.0\/8/,
  ],
  [
    'callers on another port',
    'run-task.yaml',
    'FromPort: 8080\n          ToPort: 8080',
    'FromPort: 8081\n          ToPort: 8081',
    /reports does not admit callers on port 8080/,
  ],
  [
    'a balancer that is not admitted',
    'balanced-nlb.yaml',
    'SourceSecurityGroupId: !Ref BalancerGroup',
    'SourceSecurityGroupId: !Ref CallersGroupId',
    /does not admit its balancer/,
  ],
  [
    'an endpoint that is missing',
    'network.yaml',
    '.data-servicediscovery',
    '.xray',
    /web needs the endpoint data-servicediscovery/,
  ],
  [
    'an endpoint without private DNS',
    'network.yaml',
    'PrivateDnsEnabled: true',
    'PrivateDnsEnabled: false',
    /no private DNS/,
  ],
  [
    'a task that the endpoints do not admit',
    'discovered.yaml',
    'FromPort: 443\n      ToPort: 443',
    'FromPort: 444\n      ToPort: 444',
    /logs does not admit orders/,
  ],
  [
    'an action that is missing',
    'registering.yaml',
    '                  - servicediscovery:DeregisterInstance\n',
    '',
    /stock may not servicediscovery:DeregisterInstance on .*, but has to/,
  ],
  [
    'an action of discovery that is missing',
    'caller.yaml',
    ', servicediscovery:DiscoverInstancesRevision',
    '',
    /web may not servicediscovery:DiscoverInstancesRevision/,
  ],
  [
    'the records of the zone',
    'run-task.yaml',
    'route53:ChangeResourceRecordSets',
    'route53:GetHostedZone',
    /reports may not route53:ChangeResourceRecordSets/,
  ],
  [
    'an action too many',
    'caller.yaml',
    'Action: [servicediscovery:DiscoverInstances,',
    'Action: [servicediscovery:ListServices, servicediscovery:DiscoverInstances,',
    /ListServices/,
  ],
  [
    'all actions',
    'reaper.yaml',
    '- servicediscovery:DeregisterInstance',
    "- 'servicediscovery:*'",
    /name the actions/,
  ],
  [
    'all resources',
    'registering.yaml',
    'Resource: !GetAtt CloudMap.Arn',
    "Resource: '*'",
    /on every resource/,
  ],
  [
    'every namespace',
    'bench.yaml',
    'servicediscovery:NamespaceName',
    'servicediscovery:ServiceName',
    /in every namespace/,
  ],
  [
    'a reaper that does not know a service',
    'reaper.yaml',
    '${ReportsServiceId},${StockServiceId}',
    '${ReportsServiceId}',
    /reaper does not know Service\(shop-stock: stock\)/,
  ],
  [
    'a reaper that hears of other tasks',
    'reaper.yaml',
    '[STOPPED]',
    '[RUNNING]',
    /does not match tasks that have stopped/,
  ],
  [
    'a VPC without DNS',
    'network.yaml',
    'EnableDnsHostnames: true',
    'EnableDnsHostnames: false',
    /The VPC has no DNS/,
  ],
  [
    'a TTL that the stop timeout does not fit',
    'discovered.yaml',
    'TTL: 10',
    'TTL: 60',
    /orders needs 84 s to leave, its StopTimeout is 60 s/,
  ],
  [
    'the default stop timeout',
    'discovered.yaml',
    'StopTimeout: 60',
    'StopTimeout: 30',
    /needs 34 s to leave/,
  ],
  [
    'a stop timeout that onehop does not hear of',
    'run-task.yaml',
    "ONEHOP_STOP_TIMEOUT_S, Value: '60'",
    "ONEHOP_STOP_TIMEOUT_S, Value: '30'",
    /StopTimeout is 60, ONEHOP_STOP_TIMEOUT_S 30/,
  ],
  [
    'names that resolvers remember as missing',
    'network.yaml',
    'TTL: 10',
    'TTL: 300',
    /SOA TTL of shop\.local is above 10 s/,
  ],
  ['a task without a health check', 'registering.yaml', 'HealthCheck:\n', 'HealthChecks:\n', /HealthCheck/],
  [
    'a root file system that can be written',
    'caller.yaml',
    'ReadonlyRootFilesystem: true',
    'ReadonlyRootFilesystem: false',
    /web: ReadonlyRootFilesystem is false/,
  ],
  [
    'Node as process 1',
    'bench.yaml',
    'InitProcessEnabled: true',
    'InitProcessEnabled: false',
    /bench: InitProcessEnabled/,
  ],
  [
    'a balancer that asks another path',
    'balanced.yaml',
    'HealthCheckPath: /ready',
    'HealthCheckPath: /health',
    /its balancer asks \/health/,
  ],
  [
    'a balancer that holds on',
    'balanced.yaml',
    "deregistration_delay.timeout_seconds, Value: '15'",
    "deregistration_delay.timeout_seconds, Value: '300'",
    /holds on to a task for 300 s/,
  ],
]

describe('the validator of AWS finds', () => {
  test.each(bySchema)('%s: %s', (_what, file, from, to, finding) => {
    expect(check(handWritten(broken(file, from, to))).join('\n')).toMatch(finding)
  })
})

describe('the rules find', () => {
  test.each(byRule)('%s: %s', (_what, file, from, to, finding) => {
    expect(check(handWritten(broken(file, from, to))).join('\n')).toMatch(finding)
  })
})

test('a template that cannot be read is named', () => {
  const folder = broken('caller.yaml', 'Resources:', 'Resources: [')
  expect(() => handWritten(folder)).toThrow(/caller\.yaml: /)
})

describe('the command', () => {
  const main = fileURLToPath(new URL('../check/main.ts', import.meta.url))
  const run = (folder: string) => spawnSync(process.execPath, [main, folder], { encoding: 'utf8' })

  test('exits with 0 and says what it checked', () => {
    const { status, stdout, stderr } = run(templates)
    expect([status, stdout, stderr]).toEqual([0, 'CloudFormation: 9 templates, 0 findings\n', ''])
  })

  test('exits with 1 and names what it found', () => {
    const { status, stderr } = run(broken('discovered.yaml', 'TTL: 10', 'TTL: 60'))
    expect([status, stderr]).toEqual([1, expect.stringContaining('orders needs 84 s to leave')])
  })
})

test('a CDK stack that is broken ends the synthesis', () => {
  const outdir = join(scratch, 'cdk')
  const app = shop({ outdir })
  const orders = app.node.findChild('shop-orders')
  new CfnResource(orders, 'Broken', { type: 'AWS::ECS::Service', properties: { DesiredCount: 'two' } })
  expect(() => app.synth()).toThrow(/[Vv]alidation/)
})
