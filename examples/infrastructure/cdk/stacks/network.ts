import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import {
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { Cluster } from 'aws-cdk-lib/aws-ecs'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import {
  type CfnPrivateDnsNamespace,
  HttpNamespace,
  PrivateDnsNamespace,
} from 'aws-cdk-lib/aws-servicediscovery'
import type { Construct } from 'constructs'
import { dnsNamespace, dnsTtlS, httpNamespace, zones } from '../parts/settings.ts'

/** The APIs that tasks reach without NAT. S3 has the layers of images, and needs only a route. */
const INTERFACES = {
  EcrApi: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  // Discovery by the API, and registration.
  DataServiceDiscovery: InterfaceVpcEndpointAwsService.CLOUD_MAP_DATA_SERVICE_DISCOVERY,
  ServiceDiscovery: InterfaceVpcEndpointAwsService.CLOUD_MAP_SERVICE_DISCOVERY,
}

/** The VPC without a way out, its endpoints, both namespaces, and what all tasks share. */
export class NetworkStack extends Stack {
  readonly vpc: Vpc
  readonly cluster: Cluster
  readonly dns: PrivateDnsNamespace
  readonly http: HttpNamespace
  /** The security group of tasks that call others. Services admit it. */
  readonly callers: SecurityGroup
  /** The security group of the endpoints. Each group of tasks adds a rule for itself. */
  readonly endpoints: SecurityGroup
  readonly executionRole: Role
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props)
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.20.0.0/16'),
      availabilityZones: zones,
      natGateways: 0,
      subnetConfiguration: [{ name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 20 }],
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    })

    this.callers = new SecurityGroup(this, 'Callers', {
      vpc: this.vpc,
      description: 'Tasks that call services',
    })
    this.endpoints = new SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'Interface endpoints',
      allowAllOutbound: false,
    })
    this.endpoints.addIngressRule(this.callers, Port.tcp(443), 'Callers to AWS')
    for (const [name, service] of Object.entries(INTERFACES)) {
      this.vpc.addInterfaceEndpoint(name, {
        service,
        securityGroups: [this.endpoints],
        privateDnsEnabled: true,
        open: false,
      })
    }

    this.cluster = new Cluster(this, 'Cluster', { vpc: this.vpc })
    this.dns = new PrivateDnsNamespace(this, 'Dns', { name: dnsNamespace, vpc: this.vpc })
    // How long resolvers remember that a name has no record. CDK has no property for it.
    ;(this.dns.node.defaultChild as CfnPrivateDnsNamespace).properties = {
      dnsProperties: { soa: { ttl: dnsTtlS } },
    }
    this.http = new HttpNamespace(this, 'Http', { name: httpNamespace })

    this.logGroup = new LogGroup(this, 'Log', {
      retention: RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    // CDK adds what a task needs: the image's repository and the log group.
    this.executionRole = new Role(this, 'ExecutionRole', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: 'Pulls images and writes logs, for all tasks',
    })
  }
}
