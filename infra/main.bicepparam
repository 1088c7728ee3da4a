// An example: copy it, fill in your own values, and name the copy when deploying.
using 'main.bicep'

param name = 'integrator'
param pythonVersion = '3.12'
param allowedOrigins = ['https://dashboard.example.com']
param sqlAdminName = 'sql-admins'
param sqlAdminObjectId = '00000000-0000-0000-0000-000000000000'
param oidcIssuer = 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0'
param oidcAudience = '00000000-0000-0000-0000-000000000000'
param linkhubApiUrl = 'https://api.linkhub.example.com'
param providerSettings = {
  SIGN_IN_ENTRA_CLIENT_ID: '00000000-0000-0000-0000-000000000000'
  SIGN_IN_HUBSPOT_CLIENT_ID: '00000000-0000-0000-0000-000000000000'
}
