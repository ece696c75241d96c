// What opens a repository: one secret that may be read, or one key that may unwrap, of one vault.

param appName string

@description('Of a secret or a key, without a version: https://VAULT.vault.azure.net/secrets/NAME')
param identifier string
param functionsPrincipalId string
param proxyPrincipalIds array

var group = resourceGroup().id
// An identity that is new is not found yet where its kind is not said.
var principalIds = union([
  functionsPrincipalId
], proxyPrincipalIds)

var host = split(identifier, '/')[2]
var isKey = split(identifier, '/')[3] == 'keys'
var name = split(identifier, '/')[4]
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: split(host, '.')[0]

  resource secret 'secrets@2023-07-01' existing = {
    name: name
  }

  resource key 'keys@2023-07-01' existing = {
    name: name
  }
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in isKey ? [] : principalIds: {
  name: guid(vault::secret.id, principalId, secretsUser, appName)
  scope: vault::secret
  properties: {
    principalId: principalId
    principalType: principalId == functionsPrincipalId ? 'ServicePrincipal' : null
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'Coldhaul ${appName}: reads a passphrase'
  }
}]

// Whoever only opens a repository does not wrap: none of the roles that there are is so narrow.
resource unwrapRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (isKey) {
  name: guid(vault::key.id, appName, 'unwrap role')
  properties: {
    roleName: 'Coldhaul ${appName}: unwrap by ${uniqueString(vault::key.id)}'
    description: 'Open a repository of Coldhaul by a key in Key Vault'
    type: 'CustomRole'
    assignableScopes: [
      group
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.KeyVault/vaults/keys/unwrap/action'
        ]
        notDataActions: []
      }
    ]
  }
}

resource unwrapping 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in isKey ? principalIds : []: {
  name: guid(vault::key.id, principalId, appName, 'unwrap')
  scope: vault::key
  properties: {
    principalId: principalId
    principalType: principalId == functionsPrincipalId ? 'ServicePrincipal' : null
    roleDefinitionId: unwrapRole.id
    description: 'Coldhaul ${appName}: opens a repository'
  }
}]
