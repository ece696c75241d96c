// Logs of the functions, and who is told of failed sessions.

param name string
param location string
param tags object
param retentionDays int
param principalId string
param alertEmail string
param alertActionGroupIds array

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${name}-logs'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    RetentionInDays: retentionDays
    WorkspaceResourceId: workspace.id
  }
}

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, metricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${name}-failures'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'Coldhaul'
    emailReceivers: empty(alertEmail) ? [] : [
      {
        name: 'mail'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

// A line of the log that is JSON, and says that a session failed. Each is seen by one evaluation: lines come
// minutes late, so it counts when they came.
var query = '''
AppTraces
  | where ingestion_time() > ago(5m)
  | where Message has "failed_sessions"
  | extend line = parse_json(Message)
  | where toint(line.failed_sessions) > 0
  | project TimeGenerated, session = tostring(line.session)
'''

resource failedSessions 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-failed-sessions'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: '${name}: failed sessions'
    description: 'A session of the Coldhaul appliance failed, or could not be started; its log line and coldhaul session show say why'
    enabled: true
    severity: 1
    scopes: [
      workspace.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
    criteria: {
      allOf: [
        {
          query: query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: false
    actions: {
      actionGroups: union([
        actionGroup.id
      ], alertActionGroupIds)
    }
  }
}

output connectionString string = insights.properties.ConnectionString
output actionGroupId string = actionGroup.id
