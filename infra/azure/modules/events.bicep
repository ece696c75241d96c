// A new restore point of the source calls the app. An account has one topic of its events: it is made
// here unless there is one.

param appName string
param appId string
param account string
param container string
param prefix string
param existingTopic string
param tags object

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: account
}

var topicName = empty(existingTopic) ? '${appName}-events' : existingTopic
var within = empty(prefix) ? '' : '${prefix}/'

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' = if (empty(existingTopic)) {
  name: topicName
  location: storage.location
  tags: tags
  properties: {
    source: storage.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource subscribing 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  name: '${topicName}/${appName}'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${appId}/functions/on_event'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: [
        'Microsoft.Storage.BlobCreated'
      ]
      isSubjectCaseSensitive: true
      subjectBeginsWith: '/blobServices/default/containers/${container}/blobs/${within}restore-points/'
      subjectEndsWith: '.json'
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
  dependsOn: [
    topic
  ]
}
