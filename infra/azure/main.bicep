// Coldhaul: an archiver appliance in Azure Functions, which copies restore points of one source into
// one target repository, beside their storage. infra/azure/README.md says what each role is for.

targetScope = 'resourceGroup'

// --- The app ---------------------------------------------------------------------------------------

@description('The name of the function app, which is part of its URL: letters, digits and hyphens')
@minLength(2)
@maxLength(32)
param appName string

@description('Where everything of the app is: the region of source and target')
param location string = resourceGroup().location

@description('The audience of tokens for the app, like api://CLIENT-ID, as the application in Entra ID has it')
@minLength(1)
param audience string

@description('The client id of that application, unless the audience ends with it')
param clientId string = last(split(audience, '/'))

@description('The Entra ID tenant whose identities call the app')
param tenantId string = subscription().tenantId

// --- Where from and where to -----------------------------------------------------------------------

@description('The storage account that is copied from')
@minLength(3)
@maxLength(24)
param sourceAccount string

@description('The container in it')
@minLength(3)
@maxLength(63)
param sourceContainer string

@description('The prefix in it of the repository, or of the objects of another tool; no slash at its ends and no quote')
@maxLength(512)
param sourcePrefix string = ''

@description('A repository of Coldhaul, or a container of any other tool')
@allowed([
  'repository'
  'bucket'
])
param sourceKind string = 'repository'

@description('Of a bucket source alone; a repository says its own')
@allowed([
  ''
  'snapshot-based'
  'item-level'
])
param retentionType string = ''

@description('The resource group of the account that is copied from')
param sourceResourceGroup string = resourceGroup().name

@description('Its subscription')
param sourceSubscription string = subscription().subscriptionId

@description('The storage account that is copied into')
@minLength(3)
@maxLength(24)
param targetAccount string

@description('The container in it')
@minLength(3)
@maxLength(63)
param targetContainer string

@description('The prefix in it of the target repository; no slash at its ends and no quote')
@maxLength(512)
param targetPrefix string = ''

@description('The resource group of the account that is copied into')
param targetResourceGroup string = resourceGroup().name

@description('Its subscription')
param targetSubscription string = subscription().subscriptionId

@description('The tier that packs go into; the default tier of the account if empty')
@allowed([
  ''
  'Hot'
  'Cool'
  'Cold'
  'Archive'
])
param storageClass string = 'Archive'

@description('The tier of everything else; the default tier of the account if empty')
@allowed([
  ''
  'Hot'
  'Cool'
  'Cold'
])
param metadataClass string = ''

// --- Keys and secrets ------------------------------------------------------------------------------

@description('The secret with the passphrase of the target, like https://VAULT.vault.azure.net/secrets/NAME, if it is encrypted')
param targetSecret string = ''

@description('The key of the key slot of the target, like https://VAULT.vault.azure.net/keys/NAME, instead of a passphrase')
param targetVaultKey string = ''

@description('The resource group of the vault that holds either')
param targetVaultResourceGroup string = resourceGroup().name

@description('Its subscription')
param targetVaultSubscription string = subscription().subscriptionId

@description('The secret with the passphrase of the source, if it is encrypted')
param sourceSecret string = ''

@description('The key of the key slot of the source, instead of a passphrase')
param sourceVaultKey string = ''

@description('The resource group of the vault that holds either')
param sourceVaultResourceGroup string = resourceGroup().name

@description('Its subscription')
param sourceVaultSubscription string = subscription().subscriptionId

// --- Who else --------------------------------------------------------------------------------------

@description('Object ids of those who order sessions: the identities of proxies, or groups of them')
param proxyPrincipalIds array = []

@description('Object ids of those who delete what retention ended; none of the above')
param prunePrincipalIds array = []

// --- When ------------------------------------------------------------------------------------------

@description('The job, by its name in the configuration, that an event or the timer runs')
@maxLength(64)
param jobId string = ''

@description('When to start a session, in UTC, as a timer of Azure Functions writes it, like 0 0 22 * * *')
param schedule string = ''

@description('Whether each new restore point of the source starts a session')
param startOnNewPoint bool = false

@description('Whether to subscribe to these events now: only once the functions are in the app')
param subscribeToEvents bool = false

@description('The event topic of the source account that is there already, if one is: an account has one')
param eventTopic string = ''

// --- Size ------------------------------------------------------------------------------------------

@description('The memory of an instance, in MB; 2,048 come with one processor')
@allowed([
  2048
  4096
])
param memory int = 4096

@description('How many instances run at the same time, so how many batches are repacked')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 50

// --- Watching --------------------------------------------------------------------------------------

@description('Who is told of failed sessions by mail')
param alertEmail string = ''

@description('Action groups that are told as well, by their ids')
param alertActionGroupIds array = []

@description('How many days logs are kept')
@allowed([
  30
  60
  90
  120
  180
  270
  365
  550
  730
])
param logRetentionDays int = 90

// ---------------------------------------------------------------------------------------------------

var version = '0.1.0'
var tags = {
  coldhaul: version
}
var suffix = uniqueString(resourceGroup().id, appName)
var sourceEndpoint = 'https://${sourceAccount}.blob.${environment().suffixes.storage}'
var targetEndpoint = 'https://${targetAccount}.blob.${environment().suffixes.storage}'
var sourceUrl = empty(sourcePrefix) ? 'az://${sourceContainer}' : 'az://${sourceContainer}/${sourcePrefix}'
var targetUrl = empty(targetPrefix) ? 'az://${targetContainer}' : 'az://${targetContainer}/${targetPrefix}'
// Without its version: roles are given on all versions of a key or a secret.
var targetOpener = toLower(join(take(split(empty(targetSecret) ? targetVaultKey : targetSecret, '/'), 5), '/'))
var sourceOpener = toLower(join(take(split(empty(sourceSecret) ? sourceVaultKey : sourceSecret, '/'), 5), '/'))

module identity 'modules/identity.bicep' = {
  name: '${appName}-identity'
  params: {
    name: appName
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: '${appName}-storage'
  params: {
    name: 'coldhaul${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: '${appName}-monitoring'
  params: {
    name: appName
    location: location
    tags: tags
    retentionDays: logRetentionDays
    principalId: identity.outputs.principalId
    alertEmail: alertEmail
    alertActionGroupIds: alertActionGroupIds
  }
}

module source 'modules/source.bicep' = {
  name: '${appName}-source'
  scope: resourceGroup(sourceSubscription, sourceResourceGroup)
  params: {
    appName: appName
    account: sourceAccount
    container: sourceContainer
    prefix: sourcePrefix
    readsTags: sourceKind == 'bucket'
    functionsPrincipalId: identity.outputs.principalId
    proxyPrincipalIds: proxyPrincipalIds
  }
}

module target 'modules/target.bicep' = {
  name: '${appName}-target'
  scope: resourceGroup(targetSubscription, targetResourceGroup)
  params: {
    appName: appName
    account: targetAccount
    container: targetContainer
    prefix: targetPrefix
    functionsPrincipalId: identity.outputs.principalId
    proxyPrincipalIds: proxyPrincipalIds
    prunePrincipalIds: prunePrincipalIds
  }
}

module targetVault 'modules/vault.bicep' = if (!empty(targetOpener)) {
  name: '${appName}-target-vault'
  scope: resourceGroup(targetVaultSubscription, targetVaultResourceGroup)
  params: {
    appName: appName
    identifier: targetOpener
    functionsPrincipalId: identity.outputs.principalId
    proxyPrincipalIds: proxyPrincipalIds
  }
}

module sourceVault 'modules/vault.bicep' = if (!empty(sourceOpener) && sourceOpener != targetOpener) {
  name: '${appName}-source-vault'
  scope: resourceGroup(sourceVaultSubscription, sourceVaultResourceGroup)
  params: {
    appName: appName
    identifier: sourceOpener
    functionsPrincipalId: identity.outputs.principalId
    proxyPrincipalIds: proxyPrincipalIds
  }
}

module app 'modules/app.bicep' = {
  name: '${appName}-app'
  params: {
    name: appName
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccount: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    connectionString: monitoring.outputs.connectionString
    memory: memory
    maximumInstances: maximumInstances
    clientId: clientId
    audience: audience
    tenantId: tenantId
    callerPrincipalIds: proxyPrincipalIds
    receivesEvents: startOnNewPoint
    settings: {
      AZURE_CLIENT_ID: identity.outputs.clientId
      COLDHAUL_TARGET_URL: targetUrl
      COLDHAUL_TARGET_ENDPOINT: targetEndpoint
      COLDHAUL_TARGET_SECRET: targetSecret
      COLDHAUL_TARGET_VAULT_KEY: targetVaultKey
      COLDHAUL_SOURCE_URL: sourceUrl
      COLDHAUL_SOURCE_ENDPOINT: sourceEndpoint
      COLDHAUL_SOURCE_SECRET: sourceSecret
      COLDHAUL_SOURCE_VAULT_KEY: sourceVaultKey
      COLDHAUL_SOURCE_KIND: sourceKind
      COLDHAUL_RETENTION_TYPE: sourceKind == 'bucket' ? retentionType : ''
      COLDHAUL_STORAGE_CLASS: storageClass
      COLDHAUL_METADATA_CLASS: metadataClass
      // A job without an event or a schedule is the proxy's to run.
      COLDHAUL_JOB: startOnNewPoint || !empty(schedule) ? jobId : ''
      COLDHAUL_SCHEDULE: schedule
      COLDHAUL_EVENTS: startOnNewPoint ? 'true' : 'false'
      COLDHAUL_MEMORY_MB: string(memory)
    }
  }
}

module events 'modules/events.bicep' = if (startOnNewPoint && subscribeToEvents && sourceKind == 'repository') {
  name: '${appName}-events'
  scope: resourceGroup(sourceSubscription, sourceResourceGroup)
  params: {
    appName: appName
    appId: app.outputs.id
    account: sourceAccount
    container: sourceContainer
    prefix: sourcePrefix
    existingTopic: eventTopic
    tags: tags
  }
}

// ---------------------------------------------------------------------------------------------------

@description('What the configuration of the proxy names: [repositories.NAME.appliance] url')
output url string = app.outputs.url

@description('And its audience')
output audience string = audience

@description('The version of Coldhaul; that of the proxy has to be the same')
output version string = version

@description('The identity that the functions run as, for roles in other places')
output principalId string = identity.outputs.principalId

@description('And its client id')
output identityClientId string = identity.outputs.clientId

@description('The storage account of the app itself')
output storageAccount string = storage.outputs.name

@description('The role of functions and proxies on the target')
output targetRoleId string = target.outputs.roleId

@description('The role of whoever deletes what retention ended')
output pruneRoleId string = target.outputs.pruneRoleId

@description('Tells of failed sessions; others can be added to it')
output actionGroupId string = monitoring.outputs.actionGroupId
