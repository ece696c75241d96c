// What may be done with the target. Functions and proxies read it and add to it below its prefix, and
// delete nothing but working objects below sessions/. Who prunes deletes, and is somebody else (I6).

param appName string
param account string
param container string
param prefix string
param functionsPrincipalId string
param proxyPrincipalIds array
param prunePrincipalIds array

var group = resourceGroup().id
// An identity that is new is not found yet where its kind is not said.
var principalIds = union([
  functionsPrincipalId
], proxyPrincipalIds)

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: account

  resource blobs 'blobServices@2023-05-01' existing = {
    name: 'default'

    resource copies 'containers@2023-05-01' existing = {
      name: container
    }
  }
}

var read = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
var write = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'
var add = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
var delete = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'
var deleteVersion = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/deleteBlobVersion/action'
var path = '@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]'
var listed = '@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix]'
var within = empty(prefix) ? '' : '${prefix}/'
var readsWithin = '((!(ActionMatches{\'${read}\'} AND NOT SubOperationMatches{\'Blob.List\'})) OR (${path} StringStartsWith \'${within}\'))'
var listsWithin = '((!(ActionMatches{\'${read}\'} AND SubOperationMatches{\'Blob.List\'})) OR (${listed} StringStartsWith \'${within}\'))'
var writesWithin = '((!(ActionMatches{\'${write}\'})) OR (${path} StringStartsWith \'${within}\'))'
var addsWithin = '((!(ActionMatches{\'${add}\'})) OR (${path} StringStartsWith \'${within}\'))'
var deletesWithin = '((!(ActionMatches{\'${delete}\'})) OR (${path} StringStartsWith \'${within}\'))'
var deletesVersionsWithin = '((!(ActionMatches{\'${deleteVersion}\'})) OR (${path} StringStartsWith \'${within}\'))'
var deletesWorkingObjects = '((!(ActionMatches{\'${delete}\'})) OR (${path} StringStartsWith \'${within}sessions/\'))'
var staysWithin = '${readsWithin} AND ${listsWithin} AND ${writesWithin} AND ${addsWithin}'

resource copyRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(group, appName, 'target')
  properties: {
    roleName: 'Coldhaul ${appName}: target'
    description: 'Add to a repository of Coldhaul; a condition keeps its deletes below sessions/'
    type: 'CustomRole'
    assignableScopes: [
      group
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          read
          write
          add
          delete
        ]
        notDataActions: []
      }
    ]
  }
}

resource pruneRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(group, appName, 'prune')
  properties: {
    roleName: 'Coldhaul ${appName}: prune'
    description: 'Delete what retention ended in a repository of Coldhaul; never for functions or proxies'
    type: 'CustomRole'
    assignableScopes: [
      group
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          read
          write
          add
          delete
          deleteVersion
        ]
        notDataActions: []
      }
    ]
  }
}

resource copying 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in principalIds: {
  name: guid(storage::blobs::copies.id, principalId, appName, 'target')
  scope: storage::blobs::copies
  properties: {
    principalId: principalId
    principalType: principalId == functionsPrincipalId ? 'ServicePrincipal' : null
    roleDefinitionId: copyRole.id
    description: 'Coldhaul ${appName}: adds to its target'
    condition: empty(prefix) ? deletesWorkingObjects : '${staysWithin} AND ${deletesWorkingObjects}'
    conditionVersion: '2.0'
  }
}]

resource pruning 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in prunePrincipalIds: {
  name: guid(storage::blobs::copies.id, principalId, appName, 'prune')
  scope: storage::blobs::copies
  properties: {
    principalId: principalId
    roleDefinitionId: pruneRole.id
    description: 'Coldhaul ${appName}: deletes what retention ended'
    condition: empty(prefix) ? null : '${staysWithin} AND ${deletesWithin} AND ${deletesVersionsWithin}'
    conditionVersion: empty(prefix) ? null : '2.0'
  }
}]

output roleId string = copyRole.id
output pruneRoleId string = pruneRole.id
