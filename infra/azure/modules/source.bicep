// What functions and proxies may do with the source: read what is below its prefix, and list it (I7).

param appName string
param account string
param container string
param prefix string
param readsTags bool
param functionsPrincipalId string
param proxyPrincipalIds array

var group = resourceGroup().id
// An identity that is new is not found yet where its kind is not said.
var principalIds = union([
  functionsPrincipalId
], proxyPrincipalIds)

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: account

  resource blobs 'blobServices@2023-05-01' existing = {
    name: 'default'

    resource copied 'containers@2023-05-01' existing = {
      name: container
    }
  }
}

var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
var read = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
var path = '@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]'
var listed = '@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix]'
var within = '${prefix}/'
var readsWithin = '((!(ActionMatches{\'${read}\'} AND NOT SubOperationMatches{\'Blob.List\'})) OR (${path} StringStartsWith \'${within}\'))'
var listsWithin = '((!(ActionMatches{\'${read}\'} AND SubOperationMatches{\'Blob.List\'})) OR (${listed} StringStartsWith \'${within}\'))'
var tagsWithin = '(${path} StringStartsWith \'${within}\')'

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in principalIds: {
  name: guid(storage::blobs::copied.id, principalId, blobReader, appName)
  scope: storage::blobs::copied
  properties: {
    principalId: principalId
    principalType: principalId == functionsPrincipalId ? 'ServicePrincipal' : null
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobReader)
    description: 'Coldhaul ${appName}: reads its source'
    condition: empty(prefix) ? null : '${readsWithin} AND ${listsWithin}'
    conditionVersion: empty(prefix) ? null : '2.0'
  }
}]

// Tags of the objects of other tools survive a copy; the reader role does not read them.
resource tagReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (readsTags) {
  name: guid(group, appName, 'source tags')
  properties: {
    roleName: 'Coldhaul ${appName}: source tags'
    description: 'Read the index tags of blobs that Coldhaul copies'
    type: 'CustomRole'
    assignableScopes: [
      group
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/read'
        ]
        notDataActions: []
      }
    ]
  }
}

resource tagReading 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in readsTags ? principalIds : []: {
  name: guid(storage::blobs::copied.id, principalId, appName, 'source tags')
  scope: storage::blobs::copied
  properties: {
    principalId: principalId
    principalType: principalId == functionsPrincipalId ? 'ServicePrincipal' : null
    roleDefinitionId: tagReader.id
    description: 'Coldhaul ${appName}: reads tags of its source'
    condition: empty(prefix) ? null : tagsWithin
    conditionVersion: empty(prefix) ? null : '2.0'
  }
}]
